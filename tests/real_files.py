"""Real files of other formats, where the folder of shared data lies beside the checkout."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "formats"


def real(*names: str) -> list[Path]:
    """Return those of the files that are there."""
    return [FOLDER / name for name in names if (FOLDER / name).exists()]
