"""Print what each extra brings, in packages and on disk, counted in the environment that runs this.

    python scripts/sizes.py    # a Markdown table, as in docs/how-to/install.md

Each requirement of pyproject.toml is followed to what it asks for here (its markers, with its extras); sizes are those
of the files that its installer listed, without compiled modules. What is asked for and not installed is named, and not
counted.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "napari-depth-interp"
EXTRAS = ("all", "report", "cluster", "fusion", "formats", "microscopes", "scanners", "remote", "bioimageio")
Key = tuple[str, str]
"""A distribution, and one of its extras or nothing."""


def main() -> int:
    """Print the table."""
    missing: set[str] = set()
    base = brought({(PROJECT, "")}, missing)
    rows = [("(none)", base)] + [(f"`{extra}`", brought({(PROJECT, extra)}, missing) - base) for extra in EXTRAS]
    print("| extra | packages more | on disk |\n|---|---:|---:|")
    for name, names in rows:
        print(f"| {name} | {len(names)} | {in_words(sum(map(size, names)))} |")
    if missing:
        print(f"\nNot installed here, so not counted: {', '.join(sorted(missing))}.")
    return 0


def brought(wanted: set[Key], missing: set[str]) -> set[str]:
    """Return the names of all distributions that come along with those wanted, but for the project itself."""
    todo, known = list(wanted), set(wanted)
    while todo:
        name, extra = todo.pop()
        try:
            lines = lines_of(extra) if name == PROJECT else distribution(name).requires or ()
        except PackageNotFoundError:
            missing.add(name)
            continue
        asked = {key for line in lines for key in keys_of(Requirement(line), extra)}
        todo += asked - known
        known |= asked
    return {name for name, _ in known} - missing - {PROJECT}


def lines_of(extra: str) -> list[str]:
    """Return what the project asks for, or what an extra of it does."""
    text = Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    return list(project["optional-dependencies"][extra] if extra else project["dependencies"])


def keys_of(asked: Requirement, extra: str) -> Iterable[Key]:
    """Return what a requirement stands for, if its marker holds here: the distribution, and each extra of it."""
    if asked.marker is not None and not asked.marker.evaluate({"extra": extra}):
        return ()
    return [(canonicalize_name(asked.name), part) for part in ("", *asked.extras)]


def size(name: str) -> int:
    """Return the bytes of the files of a distribution."""
    return sum(bytes_of(distribution(name)))


def bytes_of(found: Distribution) -> Iterable[int]:
    """Yield the size of each file but of compiled modules."""
    for file in found.files or ():
        path = found.locate_file(file)
        if file.suffix != ".pyc" and path.is_file():  # type: ignore[attr-defined]
            yield path.stat().st_size  # type: ignore[attr-defined]


def in_words(count: int) -> str:
    """Return bytes as MB, or GB from a thousand of them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
