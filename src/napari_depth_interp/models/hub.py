"""Models on the Hugging Face hub: taken in at one fixed commit, and shared.

Nothing here runs unless it is asked for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, WeightsError
from ..system.amounts import size_in_words
from . import folder as model_folder
from . import library
from .card import card
from .library import Entry

_PREFIX = "hf:"
_PLACE = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """A repository on the hub, and the commit of it."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{_PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_place(text: str) -> bool:
    """Return whether a text means a repository on the hub."""
    return text.startswith(_PREFIX)


def place_of(text: str) -> Place:
    """Read ``hf:OWNER/REPOSITORY@COMMIT``; the commit may be missing.

    Raises
    ------
    RequestError
        If it is written otherwise.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise RequestError(f"'{text}' is not known; write hf:OWNER/REPOSITORY@COMMIT")
    return Place(match["repository"], match["revision"])


def import_model(place: Place, name: str | None, say: Say, sha256: str | None = None) -> Entry:
    """Load a model of one commit and take it in; only its three files are loaded, and all of them are checked.

    Parameters
    ----------
    place : Place
        With a commit: a branch or a tag may hold another model tomorrow.
    name : str or None
        Not given: that of the repository.
    say : callable
        Is told what will be loaded from where before it is.
    sha256 : str, optional
        That the weights must have, where it is known from elsewhere.

    Raises
    ------
    RequestError
        If the place has no commit.
    WeightsError
        If it cannot be loaded, or is not what it should be.
    """
    if place.revision is None or not _COMMIT.fullmatch(place.revision):
        raise RequestError(
            f"'{place}' does not say which commit; write {_PREFIX}{place.repository}@ and the 40 characters of a "
            "commit (under 'Files and versions', 'History'), so that it is the same model tomorrow"
        )
    target = library.free(name or place.repository.split("/")[1])
    with library.arriving(target, sha256) as folder, _explained(place):
        _load(place, folder, say)
    model_folder.add_to_record(target, source=str(place))
    return library.get(target.name)


def _load(place: Place, folder: Path, say: Say) -> None:
    import huggingface_hub as hub

    urls = {name: hub.hf_hub_url(place.repository, name, revision=place.revision) for name in model_folder.FILES}
    sizes = {name: hub.get_hf_file_metadata(url).size or 0 for name, url in urls.items()}
    for name, size in sizes.items():
        if size > library.limit_of(name):
            raise WeightsError(f"'{place}' is refused: its {name} has {size_in_words(size)}")
    say(f"loading {size_in_words(sum(sizes.values()))} from {urls[model_folder.WEIGHTS].rsplit('/', 1)[0]}")
    for name in model_folder.FILES:
        loaded = hub.hf_hub_download(place.repository, name, revision=place.revision, local_dir=folder.parent / "hub")
        Path(loaded).replace(folder / name)


def share(name: str, place: Place, licence: str, say: Say, *, private: bool = False) -> Place:
    """Put a model on the hub with a model card; return the place with its commit.

    Raises
    ------
    RequestError
        If there is no licence: nobody could use the model.
    WeightsError
        If the model is damaged, or the hub refuses it.
    """
    found = library.checked(name)
    assert found.about is not None
    licence = licence or str(found.about.record.get("licence", ""))
    if not licence:
        raise RequestError(f"'{name}' has no licence, so nobody might use it; give one, such as --licence cc-by-4.0")
    if place.revision is not None:
        raise RequestError(f"'{place}' names a commit; what is shared becomes a new one: write hf:{place.repository}")
    import huggingface_hub as hub
    from huggingface_hub.constants import ENDPOINT

    say(f"sending {size_in_words(found.size)} to {ENDPOINT}/{place.repository}")
    with _explained(place):
        hub.create_repo(place.repository, private=private, exist_ok=True)
        operations: list[Any] = [hub.CommitOperationAdd(each, str(found.folder / each)) for each in model_folder.FILES]
        operations.append(hub.CommitOperationAdd("README.md", card(found, licence).encode()))
        done = hub.create_commit(place.repository, operations, commit_message=f"Add the model {name}")
    return Place(place.repository, done.oid)


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Turn the many ways in which the internet fails into one line."""
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    disable_progress_bars()
    logger = logging.getLogger("huggingface_hub")  # older releases tell each of five tries
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    except Exception as error:
        if isinstance(error, (RequestError, WeightsError)):
            raise
        raise WeightsError(f"'{place}' cannot be reached: {_reason(error)}") from error
    finally:
        logger.setLevel(level)
        enable_progress_bars()


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return f"the hub answers {status}; sign in with 'hf auth login' or set HF_TOKEN, and check the name"
    if status is not None:
        return f"the hub answers {status}; check repository, commit and files"
    words = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {words}" + ("" if isinstance(error, ValueError) else "; is this machine offline?")
