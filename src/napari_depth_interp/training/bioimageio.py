"""A model's network for the BioImage Model Zoo: one file that programs without this package can run.

The format describes one function from arrays to arrays. What a method does around its network (sampling in several
steps, both directions, putting the observed sections back, depths and units) cannot be said in it.
"""

from __future__ import annotations

import io
import logging
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError, RequestError
from ..io.files import check_output, replacing
from ..method import Runtime
from ..methods import registry
from ..models import card as model_card
from ..models import library
from ..models.weights import sha256_of
from ..nn.contract import OnePass, Portable
from ..system.optional import install_line

_SUFFIX = ".bioimageio.zip"
_WEIGHTS, _RDF, _README = "weights.onnx", "rdf.yaml", "README.md"
_SPEC_VERSION = "0.5.4"


def export_bioimageio(name: str, target: Path, *, author: str, licence: str = "", overwrite: bool = False) -> Path:
    """Write the network of a model as a BioImage Model Zoo package (ONNX weights, no pickle), checked by its validator.

    Parameters
    ----------
    name : str
        Of the model.
    target : Path
        Given ``.bioimageio.zip`` if it has no suffix.
    author, licence : str
        Whom the package names, and an SPDX licence; the licence may stand in the model.
    overwrite : bool

    Raises
    ------
    RequestError
        If the method has no network that is one function, or author or licence are missing.
    WeightsError, OutputError
        If the model is damaged, a package is missing, or the file cannot be written.
    """
    found = library.checked(name)
    assert found.about is not None
    licence = licence or str(found.about.record.get("licence", ""))
    if not author.strip() or not licence:
        raise RequestError("the BioImage Model Zoo wants to know both: give --author NAME and --licence, as CC-BY-4.0")
    spec = registry.get(found.about.method)
    method = spec.create(spec.config(), Runtime())
    if not isinstance(method, Portable):
        raise RequestError(
            f"{spec.name} cannot be exported for the BioImage Model Zoo: it is more than one pass of a network, and "
            "the format describes no more; export it as zip"
        )
    target = target if target.suffix else target.with_name(target.name + _SUFFIX)
    check_output(target, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as place, _installed():
        folder = Path(place)
        _write(folder, found, method.one_pass(found.folder), author.strip(), licence)
        _check(folder)
        with replacing(target, overwrite=overwrite) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name, zipfile.ZIP_DEFLATED)
    return target


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        lacking = f"this export needs the package {error.name or error}"
        raise OutputError(f"{lacking}; {install_line('bioimageio')}") from error


def _write(folder: Path, entry: library.Entry, network: OnePass, author: str, licence: str) -> None:
    """Write weights, test arrays, documentation and description."""
    import torch
    import yaml

    examples = {name: example for name, (_, example) in network.inputs.items()}
    _write_onnx(folder / _WEIGHTS, network, examples)
    with torch.no_grad():
        made = network.module(*(torch.from_numpy(each) for each in examples.values())).numpy()
    for name, array in {**examples, network.output[0]: made}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / _README).write_text(model_card.card(entry, licence) + f"\n{network.about}\n", encoding="utf-8")
    description = _description(folder, entry, network, examples, made, author, licence)
    (folder / _RDF).write_text(yaml.safe_dump(description, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _write_onnx(path: Path, network: OnePass, examples: Mapping[str, NDArray[np.float32]]) -> None:
    import torch

    logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it misses Triton, which is not used here
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's, about its own parts
        program = torch.onnx.export(
            network.module.eval(),
            tuple(torch.from_numpy(each) for each in examples.values()),
            dynamo=True,
            input_names=list(examples),
            output_names=[network.output[0]],
            verbose=False,
        )
    assert program is not None
    program.save(str(path), include_initializers=True, external_data=False)


def _description(
    folder: Path,
    entry: library.Entry,
    network: OnePass,
    examples: Mapping[str, NDArray[np.float32]],
    made: NDArray[np.float32],
    author: str,
    licence: str,
) -> dict[str, Any]:
    assert entry.about is not None
    package = version("napari-depth-interp")
    scores = model_card.verdict(model_card.best_of(entry.about.record) or {}) or "not validated"
    inputs = [_tensor(folder, name, text, examples[name]) for name, (text, _) in network.inputs.items()]
    return {
        "type": "model",
        "format_version": _SPEC_VERSION,
        "name": f"{entry.about.method} {_plain(entry.name)}"[:128],
        "description": f"The network of {entry.about.method}. {scores} on held-back data."[:1024],
        "authors": [{"name": author}],
        "cite": [{"text": f"napari-depth-interp {package}", "url": "https://pypi.org/project/napari-depth-interp/"}],
        "license": licence,
        "documentation": _README,
        "tags": ["depth-interpolation", "super-resolution", "microscopy", entry.about.method],
        "inputs": inputs,
        "outputs": [_tensor(folder, *network.output, made)],
        "weights": {
            "onnx": {"source": _WEIGHTS, "sha256": sha256_of(folder / _WEIGHTS), "opset_version": _opset(folder)}
        },
        "timestamp": str(entry.about.record.get("trained") or "1970-01-01T00:00:00+00:00"),
    }


def _plain(name: str) -> str:
    """Return a name in the characters that the zoo allows."""
    return re.sub(r"[^\w +()-]", " ", name)


def _tensor(folder: Path, name: str, text: str, example: NDArray[np.float32]) -> dict[str, Any]:
    rows, columns = example.shape[2:]
    axes: list[dict[str, Any]] = [{"type": "batch", "size": 1}, {"type": "channel", "channel_names": [name]}]
    axes += [{"type": "space", "id": axis, "size": size} for axis, size in (("y", rows), ("x", columns))]
    source = {"source": f"{name}.npy", "sha256": sha256_of(folder / f"{name}.npy")}
    return {"id": name, "description": text[:128], "axes": axes, "data": {"type": "float32"}, "test_tensor": source}


def _opset(folder: Path) -> int:
    import onnx

    [opset] = [each.version for each in onnx.load(folder / _WEIGHTS).opset_import if not each.domain]
    return int(opset)


def _check(folder: Path) -> None:
    """Raise an :class:`OutputError` unless the zoo's own validator accepts the package; nothing is looked up online."""
    import yaml
    from bioimageio.spec import InvalidDescr, ValidationContext, build_description

    content = yaml.safe_load((folder / _RDF).read_text(encoding="utf-8"))
    context = ValidationContext(root=folder, file_name=_RDF, perform_io_checks=False)
    found = build_description(content, context=context)
    if isinstance(found, InvalidDescr):
        first = found.validation_summary.errors[0]
        raise OutputError(f"the BioImage Model Zoo's validator refuses the package: {first.loc}: {first.msg}")
