"""Weights that come from the internet: asked for, pinned by hash, kept as safetensors; no pickle is ever run."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from ..errors import OutputError, WeightsError
from ..io.files import replacing
from ..system.amounts import size_in_words

if TYPE_CHECKING:
    from torch import Tensor

_HOST = "https://download.pytorch.org/models"
_WANTED = "give torchvision's .pth file, or a .safetensors file"


@dataclass(frozen=True)
class Download:
    """A file on the internet: its address, SHA-256 and size in bytes."""

    name: str
    url: str
    sha256: str
    size: int

    @property
    def stored(self) -> Path:
        """Where the safetensors are kept; the name holds the hash of what they were made from."""
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("napari-depth-interp", appauthor=False)) / "weights"
        return folder / f"{self.name}-{self.sha256[:16]}.safetensors"

    def announce(self) -> str:
        """Return in words what will be loaded from where."""
        return f"loading the weights of {self.name} once, {size_in_words(self.size)}, from {self.url}"


BACKBONES: Mapping[str, Download] = {
    "alex": Download(
        "alexnet",
        f"{_HOST}/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
    ),
    "vgg": Download(
        "vgg16",
        f"{_HOST}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
    ),
    "squeeze": Download(
        "squeezenet1_1",
        f"{_HOST}/squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        4_958_839,
    ),
}
"""Image networks of torchvision on which LPIPS is computed."""


def fetch(download: Download) -> Path:
    """Return the safetensors of a download; load and convert it if they are not there yet.

    Raises
    ------
    WeightsError
        If it cannot be loaded, or is not what was pinned.
    """
    if download.stored.is_file():
        return download.stored
    try:
        download.stored.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"no weights can be kept in '{download.stored.parent}': {error.strerror}") from error
    loaded = _retrieve(download)
    try:
        convert(loaded, download.stored)
    except OutputError as error:
        raise WeightsError(str(error)) from error
    finally:
        loaded.unlink(missing_ok=True)
    return download.stored


def _retrieve(download: Download) -> Path:
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # what is loaded is said in words of our own
    try:
        return Path(
            pooch.retrieve(download.url, f"sha256:{download.sha256}", f"{download.name}.pth", download.stored.parent)
        )
    except OSError as error:  # requests' errors are OSErrors
        raise WeightsError(f"{download.url} cannot be loaded: {_reason(error)}") from error
    except ValueError as error:  # pooch: another hash
        raise WeightsError(
            f"{download.url} gives another file than the one that was pinned (SHA-256 {download.sha256})"
        ) from error
    finally:
        logger.setLevel(level)


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code}"
    return error.strerror or f"{type(error).__name__}; is this machine offline?"


def lpips_backbone(net: str, given: Path | None) -> Path:
    """Return the file with the image network of LPIPS: the one given, else the one that is loaded and kept."""
    return fetch(BACKBONES[net]) if given is None else given


def lpips_linear_weights(net: str) -> dict[str, Tensor]:
    """Return how much each layer's differences count, as the package ``lpips`` carries it."""
    package = find_spec("lpips")  # not imported: that takes long, and brings warnings
    if package is None or package.origin is None:
        raise WeightsError("the package lpips is not installed; install it with pip install lpips")
    return read(Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth")


def convert(source: Path, target: Path) -> None:
    """Write the convolutions of a torchvision checkpoint as safetensors, with the hash of what they come from."""
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in read(source).items() if name.startswith("features.")}
    with replacing(target, overwrite=True) as temporary:
        save_file(tensors, temporary, metadata={"source": json.dumps({"sha256": sha256_of(source)})})


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a torch checkpoint that holds nothing but tensors.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or holds anything but tensors.
    """
    if not path.is_file():
        raise WeightsError(f"there is no file '{path}'; {_WANTED}")
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about foreign pickles, which are refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own words say how to open it all the same
        raise WeightsError(f"'{path}' holds something other than weights and was not opened; {_WANTED}") from error
    except Exception as error:  # damaged files fail in many ways
        raise WeightsError(f"'{path}' cannot be read as weights ({_first_line(error)}); {_WANTED}") from error
    if not isinstance(found, dict) or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise WeightsError(f"'{path}' holds no dictionary of tensors; {_WANTED}")
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
