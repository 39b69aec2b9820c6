"""Folders of small stacks, and a method that gets into trouble with one of them."""

from pathlib import Path

import numpy as np

from command_line import write_imagej
from napari_depth_interp.batch import Plan
from napari_depth_interp.methods import registry
from napari_depth_interp.run.settings import make_settings

NAMES = ("a.tif", "b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif")

TROUBLE = '''
import os, signal, time
from pathlib import Path
import numpy as np
from pydantic import Field
from napari_depth_interp.method import MethodConfig, MethodSpec, Sections, Tiling
from napari_depth_interp.progress import Progress

class OutOfMemoryError(RuntimeError):
    """As torch's is called."""

class Config(MethodConfig):
    victim: int = Field(-1, title="Victim", description="The largest value of the stack that trouble begins with.")
    what: str = Field("slow", title="What", description="Which trouble: slow, kill, memory, gpu or error.")
    once: str = Field("", title="Once", description="A file that is made at the first trouble; there is no second one.")
    steps: int = Field(100, title="Steps", description="How many reports of 50 ms a slow stack takes.")

class Trouble:
    def __init__(self, config, runtime):
        self.config = config
    def prepare(self, stack, *, report):
        if self.config.victim not in (-1, int(stack.voxels.max())):
            return
        if self.config.once:
            try:
                Path(self.config.once).touch(exist_ok=False)
            except FileExistsError:
                return
        what = self.config.what
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "memory":
            raise MemoryError
        if what == "gpu":
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB. GPU 0 has more to say.")
        if what == "error":
            raise RuntimeError("the fit went wrong")
        for step in range(self.config.steps):
            report(Progress(step / self.config.steps, "fitting"))
            time.sleep(0.05)
    def sections_at(self, stack, z, *, report):
        return Sections(np.full((len(z), *stack.voxels.shape[1:]), 1.0))

SPEC = MethodSpec("trouble", "Trouble", "For tests.", Config, Trouble, "as long as you like", None,
                  tiling=Tiling(parallel=True))
'''


def install_trouble(folder: Path) -> Path:
    """Install a package with the method ``trouble`` into a folder for ``PYTHONPATH``."""
    info = folder / "trouble_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "trouble_plugin.py").write_text(TROUBLE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trouble-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINT_GROUP}]\ntrouble = trouble_plugin:SPEC\n")
    return folder


def stack(seed: int, shape=(4, 10, 12)) -> np.ndarray:
    """Noise whose largest value is ``1000 + seed``."""
    voxels = np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint16)
    voxels[0, 0, 0] = 1000 + seed
    return voxels


def fill(folder: Path, names, shape=(4, 10, 12)) -> Path:
    """Write one stack per name, 2 um apart; the largest value of number i is 1000 + i."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_imagej(folder / name, stack(seed, shape))
    return folder


def plan(source, target, **options) -> Plan:
    """Return a linear plan by factor 2 on one thread; what is no option of a plan is a setting."""
    own = {name: options.pop(name) for name in list(options) if name in Plan.__dataclass_fields__}
    return Plan(source, target, make_settings(**{"method": "linear", "factor": 2, "threads": 1, **options}), **own)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the results in a folder: every file but the table, logs and what is hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".csv", ".log") and ".depth-interp-batch" not in path.parts
    }


def states(summary) -> dict[str, str]:
    return {row.file: str(row.state) for row in summary.rows}
