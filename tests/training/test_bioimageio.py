"""A network for the BioImage Model Zoo: accepted by its validator, and it computes what ours does."""

import json
import zipfile

import numpy as np
import pytest
import torch
import yaml

from napari_depth_interp.errors import OutputError, RequestError
from napari_depth_interp.methods.msdsr.network import PlaneNet
from napari_depth_interp.models.folder import Model, save
from napari_depth_interp.training.bioimageio import export_bioimageio
from small_models import CONFIG, RECORD, make_model

SMALL = CONFIG | {"levels": 1}
"""The smallest network: its export and ONNX's reference in Python take seconds."""


@pytest.fixture
def model(models_home):
    torch.manual_seed(0)
    network = PlaneNet(SMALL["channels"], SMALL["levels"], SMALL["guide"])
    save(models_home / "brain", Model("msdsr", SMALL, network.state_dict(), RECORD))
    return models_home / "brain"


def test_the_package_is_valid_and_computes_the_same(model, tmp_path):
    # Imported here, as both take seconds and every process of the suite imports this module.
    from bioimageio.spec import ValidationContext, build_description
    from onnx.reference import ReferenceEvaluator

    path = export_bioimageio("brain", tmp_path / "brain", author="A. Nyone")
    assert path.name == "brain.bioimageio.zip"
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".pt", ".pth", ".pkl"))]
        archive.extractall(tmp_path / "unpacked")
    content = yaml.safe_load((tmp_path / "unpacked" / "rdf.yaml").read_text())
    context = ValidationContext(root=tmp_path / "unpacked", perform_io_checks=False, log_warnings=False)
    found = build_description(content, context=context)
    assert found.validation_summary.status in ("valid-format", "passed"), found.validation_summary.errors
    assert [str(each.id) for each in found.inputs] == ["linear", "observed", "noise"]
    assert str(found.license) == "CC-BY-4.0"
    arrays = {name: np.load(tmp_path / "unpacked" / f"{name}.npy") for name in ("linear", "observed", "noise", "plane")}
    expected = arrays.pop("plane")
    [made] = ReferenceEvaluator(str(tmp_path / "unpacked" / "weights.onnx")).run(None, arrays)
    np.testing.assert_allclose(made, expected, atol=1e-4)
    seen = arrays["observed"] > 0
    np.testing.assert_allclose(made[seen], arrays["linear"][seen], atol=1e-5)
    assert not np.allclose(made[~seen], arrays["linear"][~seen], atol=1e-2)


def test_what_the_zoo_wants_to_know_is_asked_for(model, tmp_path):
    with pytest.raises(RequestError, match="give --author NAME and --licence"):
        export_bioimageio("brain", tmp_path / "brain", author=" ")
    (tmp_path / "taken.zip").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        export_bioimageio("brain", tmp_path / "taken.zip", author="A. Nyone")
    with pytest.raises(OutputError, match="validator refuses"):
        export_bioimageio("brain", tmp_path / "new", author="A. Nyone", licence="do what you like")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "taken.zip"]


def test_a_method_of_more_than_one_pass_is_refused(models_home, tmp_path, monkeypatch):
    make_model(models_home / "odd", method="linear")
    with pytest.raises(RequestError, match=r"linear cannot be exported .* more than one pass"):
        export_bioimageio("odd", tmp_path / "odd", author="A. Nyone")
    assert json.loads((models_home / "odd" / "config.json").read_text())["method"] == "linear"
