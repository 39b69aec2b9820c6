"""Make the environments of other programs, which the benchmarks run beside ours: ``python benchmarks/make_peers.py``.

Each gets a virtual environment of its own, with what its adapter in ``benchmarks/peers`` names, from PyPI. Programs
that need torch can use the one of this Python (``--share-torch``), which saves some GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from peers import FOLDER, NAMES, adapter, python_of


def make(name: str, folder: Path, *, share_torch: bool) -> None:
    """Make the environment of one peer, or leave it as it is."""
    module, python = adapter(name), python_of(name, folder)
    if python.exists():
        print(f"{name}: is there, {python}")
        return
    print(
        f"{name}: {module.TITLE}, {module.SOURCE}, licence {module.LICENCE}: {', '.join(module.REQUIRES)}", flush=True
    )
    venv.create(python.parents[1], with_pip=True)
    if getattr(module, "TORCH", False):
        if share_torch:
            query = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
            inside = Path(subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
            (inside / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        else:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
    alone = ["--no-deps"] if getattr(module, "ALONE", False) else ["numpy"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *alone, *module.REQUIRES], check=True)


def main() -> int:
    """Make what is asked for; return 1 if one could not be made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(NAMES)}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where the environments go; default {FOLDER}")
    parser.add_argument("--share-torch", action="store_true", help="use the torch of this Python")
    args = parser.parse_args()
    failed = []
    for name in args.names or NAMES:
        try:
            make(name, args.folder, share_torch=args.share_torch)
        except (subprocess.CalledProcessError, OSError) as error:
            failed.append(f"{name}: {error}")
    print("\n".join(failed), file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
