"""Random damage to what is read: a dataset, settings or a model come out, or an error in words."""

import json
import os
import tempfile
from pathlib import Path

import niftis
import numpy as np
import pytest
import tiffs
import zarrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_depth_interp import io
from napari_depth_interp.errors import DepthInterpError
from napari_depth_interp.run.settings import load_settings, make_settings
from napari_depth_interp.stack import Dataset

FUZZ = settings(
    max_examples=int(os.environ.get("DEPTH_INTERP_FUZZ", "60")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
"""The same files every time: what is found stays found. DEPTH_INTERP_FUZZ=5000 looks at more of them."""

TIFFS = list(tiffs.bases().values())
NIFTIS = [niftis.nifti(), niftis.nifti(order=">"), niftis.gz(niftis.nifti())]


@st.composite
def damaged(draw, bases):
    """Sound bytes, of which some are changed, cut out, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(bases)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.one_of(st.integers(0, min(600, len(data) - 1)), st.integers(0, len(data) - 1)))
        how = draw(st.sampled_from(["change", "cut out", "double", "cut off", "fill"]))
        length = draw(st.integers(1, 16))
        if how == "change":
            data[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif how == "fill":
            data[place : place + length] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * length
        elif how == "cut out":
            del data[place : place + length]
        elif how == "double":
            data[place:place] = data[place : place + length]
        else:
            del data[max(1, place) :]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def check_words(error):
    """One line that says something."""
    assert "\n" not in str(error)
    assert len(str(error)) > 20


def read(path):
    """Read whole and lazily; what can be read both ways must be the same."""
    found = []
    for lazy in (False, True):
        try:
            dataset = io.read(path, lazy=lazy)
            if dataset.voxels.nbytes < 1e7:
                found.append(np.asarray(dataset.voxels))
            assert isinstance(dataset, Dataset)
        except DepthInterpError as error:
            check_words(error)
    if len(found) == 2:
        np.testing.assert_array_equal(*found)


@FUZZ
@given(damaged(TIFFS))
def test_tiff(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.tif"
        path.write_bytes(data)
        read(path)


@FUZZ
@given(damaged(NIFTIS))
def test_nifti(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.nii"
        path.write_bytes(data)
        read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def replaced(draw, value):
    """Return the same JSON with something else somewhere in it."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: replaced(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], replaced(draw, value[place]), *value[place + 1 :]]
    return draw(JSON)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A sound OME-Zarr 0.5 and a sound 0.4, with their metadata files and chunks."""
    root = tmp_path_factory.mktemp("sound")
    paths = [zarrs.write(root / "new.zarr"), zarrs.write_v2(root / "old.zarr")]
    files = [each for path in paths for each in sorted(path.rglob("*")) if each.is_file()]
    return {each: each.read_bytes() for each in files}


@FUZZ
@given(data=st.data())
def test_ome_zarr(images, data):
    file = data.draw(st.sampled_from(sorted(images)))
    if file.name in ("zarr.json", ".zattrs", ".zarray", ".zgroup") and data.draw(st.booleans()):
        content = json.dumps(replaced(data.draw, json.loads(images[file]))).encode()
    else:
        content = data.draw(damaged([images[file]]))
    try:
        file.write_bytes(content)
        read(next(each for each in file.parents if each.suffix == ".zarr"))
    finally:
        file.write_bytes(images[file])


SETTINGS = make_settings(method="cubic", factor=3, parameters={"kind": "spline"}).model_dump(mode="json")


@FUZZ
@given(st.data())
def test_settings_file(data):
    text = data.draw(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(str.encode),
            st.sampled_from(
                [b"!!python/object/apply:os.system ['true']", b"&a [*a]", b"a: &a\n  b: *a", b"? [a]\n: 1"]
            ),
            st.builds(
                lambda value: json.dumps(value).encode(), st.just(0).map(lambda _: replaced(data.draw, SETTINGS))
            ),
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_bytes(text)
        try:
            assert isinstance(load_settings(path), dict)
        except DepthInterpError as error:
            check_words(error)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A sound model folder: its files and their bytes."""
    import torch

    from napari_depth_interp.models.folder import Model, save

    folder = tmp_path_factory.mktemp("model")
    tensors = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.zeros(4)}
    save(folder, Model("msdsr", {"channels": 8, "sizes": [1, 2]}, tensors, {"steps": 3, "loss": [1.0, 0.5]}))
    return {each: each.read_bytes() for each in sorted(folder.iterdir())}


@FUZZ
@given(data=st.data())
def test_model_folder(model, data):
    from napari_depth_interp.models.folder import load

    file = data.draw(st.sampled_from(sorted(model)))
    if file.suffix == ".json" and data.draw(st.booleans()):
        content = json.dumps(replaced(data.draw, json.loads(model[file]))).encode()
    else:
        content = data.draw(damaged([model[file]]))
    try:
        file.write_bytes(content)
        load(file.parent, "msdsr")
    except DepthInterpError as error:
        check_words(error)
    finally:
        file.write_bytes(model[file])


def test_a_pickle_in_a_models_place_is_not_loaded(model, tmp_path):
    """As safetensors, as the file torch would have written, and with a matching checksum in the config."""
    import hashlib
    import pickle

    from napari_depth_interp.models.folder import load

    told = tmp_path / "told"
    pickled = pickle.dumps(zarrs.Tell(told))
    folder = tmp_path / "model"
    folder.mkdir()
    for file, content in model.items():
        (folder / file.name).write_bytes(content)
    about = json.loads((folder / "config.json").read_text()) | {"sha256": hashlib.sha256(pickled).hexdigest()}
    (folder / "config.json").write_text(json.dumps(about))
    for name in ("model.safetensors", "model.pt", "pytorch_model.bin"):
        (folder / name).write_bytes(pickled)
    with pytest.raises(DepthInterpError):
        load(folder, "msdsr")
    assert not told.exists()
