"""Model folders: whole or absent, checked, never a pickle."""

import json

import pytest
import torch

from napari_depth_interp.errors import OutputError, WeightsError
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.models.folder import Model, check_folder, load, save
from napari_depth_interp.nn.checkpoint import History
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.nn.data import record_of

MODEL = Model("msdsr", {"channels": 8}, {"a.weight": torch.arange(6.0).view(2, 3)}, {"steps": 3})


def test_comes_back_as_it_was(tmp_path):
    save(tmp_path / "model", MODEL)
    assert sorted(each.name for each in (tmp_path / "model").iterdir()) == [
        "config.json", "model.safetensors", "training.json",
    ]  # fmt: skip
    found = load(tmp_path / "model", "msdsr")
    assert (found.method, found.config, found.record) == ("msdsr", {"channels": 8}, {"steps": 3})
    assert torch.equal(found.tensors["a.weight"], MODEL.tensors["a.weight"])


def test_another_methods_model_is_refused(tmp_path):
    save(tmp_path, MODEL)
    with pytest.raises(WeightsError, match="a model of the method 'msdsr', not of 'cae'"):
        load(tmp_path, "cae")


def test_changed_weights_are_refused(tmp_path):
    save(tmp_path, MODEL)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="is not what was saved"):
        load(tmp_path, "msdsr")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, file):
    save(tmp_path, MODEL)
    (tmp_path / file).unlink()
    with pytest.raises(WeightsError, match=r"holds no model|model\.safetensors"):
        load(tmp_path, "msdsr")


def test_a_damaged_config_is_said(tmp_path):
    save(tmp_path, MODEL)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="damaged"):
        load(tmp_path, "msdsr")


def test_an_existing_model_is_not_replaced_by_chance(tmp_path):
    check_folder(tmp_path / "new")
    save(tmp_path, MODEL)
    with pytest.raises(OutputError, match="holds a model already"):
        check_folder(tmp_path)
    check_folder(tmp_path, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "file")


def test_the_record_says_data_parameters_versions_and_curve(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"abc")
    data = TrainingData((), (tmp_path / "a.tif",))
    record = record_of(data, {"channels": 8}, History([1 / n for n in range(1, 5001)]))
    assert record["data"][0]["sha256"].startswith("ba7816bf")
    assert record["steps"] == 5000
    assert len(record["loss"]) == 1000
    assert set(record["versions"]) >= {"torch", "diffusers"}
    json.dumps(record, allow_nan=False)


def test_a_batch_reads_its_model_once(tmp_path, monkeypatch):
    read, real = [], model_folder.read
    monkeypatch.setattr(model_folder, "read", lambda path: read.append(path) or real(path))
    save(tmp_path / "model", MODEL)
    tensors = [load(tmp_path / "model", "msdsr").tensors["a.weight"] for _ in range(3)]
    assert len(read) == 1
    assert all(torch.equal(each, MODEL.tensors["a.weight"]) for each in tensors)
    save(tmp_path / "model", Model("msdsr", {}, {"a.weight": torch.zeros(2, 3)}, {}))
    assert torch.equal(load(tmp_path / "model", "msdsr").tensors["a.weight"], torch.zeros(2, 3))
    assert len(read) == 2
