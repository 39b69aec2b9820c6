"""Files that a command is about to write, checked before it works for hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import RequestError


def check_outputs(outputs: Mapping[str, Path | None], sources: Sequence[Path | None], *, overwrite: bool) -> None:
    """Refuse outputs that are inputs, lie in them, are each other, or cannot be written.

    Parameters
    ----------
    outputs : mapping of what is written -> path
        None: it is not asked for.
    sources : sequence of path or None
    overwrite : bool

    Raises
    ------
    RequestError, OutputError
    """
    from .. import io

    wanted = {what: path for what, path in outputs.items() if path is not None}
    there = [io.split_series(path)[0] for path in sources if path is not None]
    taken: dict[Path, str] = {}
    for what, path in wanted.items():
        first = taken.setdefault(path.resolve(), what)
        if first != what:
            raise RequestError(f"'{path}' is given for the {first} and for the {what}; give two different names")
    for path in wanted.values():
        for source in there:
            if _same_file(path, source):
                raise RequestError(f"'{path}' is the input; give the output another name")
            if _is_folder(source) and path.absolute().is_relative_to(source.absolute()):
                raise RequestError(f"'{path}' lies inside the input '{source}'; give the output another place")
        if io.format_of(path) is None:
            raise RequestError(f"'{path}' has no known suffix; use one of {', '.join(io.WRITTEN)}")
        io.check_output(path, overwrite=overwrite)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # whoever reads it says why it cannot be
        return False


def _same_file(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:  # one is missing or may not be looked at: for the checks of reading and writing to say
        return False
