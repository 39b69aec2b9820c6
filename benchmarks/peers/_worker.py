"""Runs one adapter in the environment of its program: ``python _worker.py NAME FOLDER``."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

sys.path.pop(0)  # this folder, whose files are called like the programs
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import Job, Trained, adapter


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _version(requirement: str) -> str:
    name = requirement.split("==")[0].split(">=")[0]
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return "as installed by the user"


def main(name: str, folder: Path) -> None:
    """Read ``in.npy`` and ``job.json``; write ``out.npy`` and ``about.json``."""
    module, stack = adapter(name), np.load(folder / "in.npy", allow_pickle=False)
    job = Job(**json.loads((folder / "job.json").read_text(encoding="utf-8")))
    before = _cpu_seconds()
    made = module.fill_labels(stack, job) if hasattr(module, "fill_labels") else module.fill(stack, job)
    spent = _cpu_seconds() - before
    filled = made.voxels if isinstance(made, Trained) else made
    wanted = (job.count(len(stack)), *stack.shape[1:])
    if filled.shape != wanted:
        raise SystemExit(f"{name} made {filled.shape}, wanted {wanted}")
    np.save(folder / "out.npy", filled, allow_pickle=False)
    about = {"cpu_seconds": spent, "version": _version(module.REQUIRES[0])}
    about |= {"default_seconds": made.default_seconds} if isinstance(made, Trained) else {}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
