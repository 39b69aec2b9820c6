// Fills in the sections of every TIFF in a folder:
//   nextflow run main.nf --stacks 'stacks/*.tif' --out dense --factor 4 --method auto
nextflow.enable.dsl = 2

params.stacks = 'stacks/*.tif'
params.out = 'dense'
params.factor = 4
params.method = 'auto'

process FILL {
    tag "${stack.baseName}"
    publishDir params.out, mode: 'copy'
    cpus 2

    input:
    path stack, name: 'in/*'

    output:
    path "${stack.baseName}.tif"

    script:
    """
    depth-interp run '${stack}' '${stack.baseName}.tif' --factor ${params.factor} --method ${params.method} \\
        --threads ${task.cpus} --seed 0
    """
}

workflow {
    FILL(channel.fromPath(params.stacks, checkIfExists: true))
}
