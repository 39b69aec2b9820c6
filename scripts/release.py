"""A release by one command: ``make release VERSION=0.2.0`` (or ``patch``, ``minor``, ``major`` after the last tag).

Checks the working tree and the changelog, writes the version where it stands, builds sdist and wheel twice and compares
them, lists what the wheel brings along (SBOM, licences), fills in the recipe for conda-forge, commits and tags. Nothing
is sent anywhere: pushing the tag is what publishes, by .github/workflows/release.yml. With ``--check`` nothing is
changed: it says what would hinder a release.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/napari_depth_interp/__init__.py"
CITATION, CHANGELOG = "CITATION.cff", "CHANGELOG.md"
RECIPE, GALAXY = "packaging/conda-forge/recipe.yaml", "packaging/galaxy/depth_interp.xml"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)((?:a|b|rc)\d+)?")
_UNRELEASED = "## Unreleased\n"


class Refused(Exception):
    """Why there can be no release now."""


def main(words: list[str] | None = None) -> int:
    """Make a release, or say what hinders it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="such as 0.2.0 or 0.2.0rc1; or patch, minor, major after the last tag")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for what is published")
    given = parser.parse_args(words)
    try:
        version = next_version(given.version, tags())
        notes = released(read(CHANGELOG), version, today())
        check_tree()
        if not given.check:
            write_version(version, notes)
        build(given.out)
        if not given.check:
            commit(version)
    except Refused as problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    print(f"{'could release' if given.check else 'released'} {version}; it is published by: git push --follow-tags")
    return 0


def next_version(wanted: str, known: list[str]) -> str:
    """Return the version that is meant: itself, or the one after the last tag.

    Raises
    ------
    Refused
        If it is none, or was released before.
    """
    if wanted in ("major", "minor", "patch"):
        finals = [tuple(map(int, tag.split("."))) for tag in known if re.fullmatch(r"\d+\.\d+\.\d+", tag)]
        if not finals:
            raise Refused(f"there is no tag yet that '{wanted}' could follow; give the first version, such as 0.1.0")
        major, minor, patch = max(finals)
        following = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
        wanted = ".".join(map(str, following[wanted]))
    if not _VERSION.fullmatch(wanted):
        raise Refused(f"'{wanted}' is no version; write 0.2.0 or 0.2.0rc1")
    if wanted in known:
        raise Refused(f"the tag v{wanted} is there already; choose another version")
    return wanted


def released(changelog: str, version: str, date: str) -> str:
    """Return the changelog with what is unreleased under the version; refuse one that tells nothing.

    Raises
    ------
    Refused
    """
    before, heading, rest = changelog.partition(_UNRELEASED)
    told = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not heading or not re.search(r"^- \S", told, re.MULTILINE):
        raise Refused(f"{CHANGELOG} tells nothing under Unreleased; say there what is new")
    return f"{before}{heading}\n## {version} - {date}\n{rest}"


def notes_of(changelog: str, version: str) -> str:
    """Return what the changelog tells of a version: the text of the release."""
    match = re.search(rf"^## {re.escape(version)} - .*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if match is None:
        raise Refused(f"{CHANGELOG} does not tell of {version}")
    return match[1].strip() + "\n"


def check_tree() -> None:
    """Refuse changes that are not committed: they would be in the release and in no commit."""
    changed = run("git", "status", "--porcelain").strip()
    if changed:
        raise Refused(f"the working tree has changes: {', '.join(changed.splitlines()[:3])}; commit them first")


def write_version(version: str, changelog: str) -> None:
    """Write the version where it stands: package, recipes, citation, changelog."""
    replace(SOURCE, r'^__version__ = ".*"$', f'__version__ = "{version}"')
    replace(RECIPE, r'^  version: ".*"$', f'  version: "{version}"')
    replace(GALAXY, r'<token name="@VERSION@">.*</token>', f'<token name="@VERSION@">{version}</token>')
    replace(CITATION, r"^version: .*$", f"version: {version}")
    if "\ndate-released:" in read(CITATION):
        replace(CITATION, r"^date-released: .*$", f"date-released: {today()}")
    else:
        replace(CITATION, r"^(version: .*)$", rf"\1\ndate-released: {today()}")
    (ROOT / CHANGELOG).write_text(changelog, encoding="utf-8")


def build(target: Path) -> None:
    """Build twice, in two places; refuse if one byte differs, else keep one, its sums, and what it brings along."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for folder in (first, second):
            run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, str(ROOT))
        made = {path.name: digest(path) for path in sorted(Path(first).iterdir())}
        again = {path.name: digest(path) for path in sorted(Path(second).iterdir())}
        if made != again:
            raise Refused(f"two builds differ: {made} and {again}")
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, Path(first).iterdir()))
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for path in Path(first).iterdir():
            shutil.copy2(path, target)
    sums = "".join(f"{value}  {name}\n" for name, value in made.items())
    beside = target.parent / f"{target.name}-about"
    beside.mkdir(exist_ok=True)
    (beside / "SHA256SUMS").write_text(sums, encoding="utf-8")
    [sdist] = target.glob("*.tar.gz")
    (beside / "recipe.yaml").write_text(recipe_of(read(RECIPE), made[sdist.name]), encoding="utf-8")
    list_contents(next(target.glob("*.whl")), beside)
    print(sums, end="")


def recipe_of(text: str, digest: str) -> str:
    """Return the recipe for conda-forge with the hash of the sdist, which cannot stand inside the sdist itself."""
    filled, count = re.subn(r'^  sha256: "0{64}"$', f'  sha256: "{digest}"', text, flags=re.MULTILINE)
    if count != 1:
        raise Refused(f"{RECIPE} has no line for the hash; write there: sha256: followed by 64 zeros in quotes")
    return filled


def list_contents(wheel: Path, target: Path) -> None:
    """Write ``sbom.cdx.json`` (CycloneDX) and ``licences.md`` of the wheel in an environment of its own."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}") or shutil.which("uv")
    if uv is None:
        raise Refused("uv is missing; install it with: pip install uv")
    with tempfile.TemporaryDirectory() as place:
        run(uv, "venv", "--quiet", "--python", sys.executable, place)
        python = next(path for path in (Path(place, "bin/python"), Path(place, "Scripts/python.exe")) if path.exists())
        # by name, not by path: the path would be in the SBOM, and on each machine it is another
        name, version = wheel.name.split("-")[:2]
        found = ["--find-links", str(wheel.parent)]
        run(uv, "pip", "install", "--quiet", "--python", str(python), *found, f"{name}=={version}")
        sbom = [
            "environment",
            "--output-reproducible",
            "--of",
            "JSON",
            "-o",
            str(target / "sbom.cdx.json"),
            str(python),
        ]
        run(sys.executable, "-m", "cyclonedx_py", *sbom)
        table = ["--python", str(python), "--format", "markdown", "--with-urls", "--from", "mixed"]
        (target / "licences.md").write_text(run(sys.executable, "-m", "piplicenses", *table), encoding="utf-8")


def commit(version: str) -> None:
    """Commit what was written and tag it."""
    run("git", "add", SOURCE, CITATION, CHANGELOG, RECIPE, GALAXY)
    run("git", "commit", "--message", f"Release {version}")
    run("git", "tag", "--annotate", f"v{version}", "--message", f"Release {version}")


def tags() -> list[str]:
    """Return the versions that were tagged."""
    return [tag.removeprefix("v") for tag in run("git", "tag", "--list", "v*").split()]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def today() -> str:
    """Return the date as in the changelog."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def read(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def replace(name: str, pattern: str, text: str) -> None:
    """Replace the one line of a file that matches."""
    changed, count = re.subn(pattern, text, read(name), flags=re.MULTILINE)
    if count != 1:
        raise Refused(f"{name} has {count} lines that look like {pattern}, not one")
    (ROOT / name).write_text(changed, encoding="utf-8")


def run(*words: str) -> str:
    """Run a command in the repository and return what it printed.

    Raises
    ------
    Refused
        If it fails.
    """
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(words[:4])} ... failed: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
