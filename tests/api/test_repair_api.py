"""``ndi.examine`` and ``ndi.repair``: what goes in, what comes out."""

import numpy as np
import pytest
import xarray

import napari_depth_interp as ndi
from damaged_stacks import LINEAR, damaged, rms, tissue
from napari_depth_interp.errors import InputError, OutputError, RequestError
from napari_depth_interp.stack.lazy import is_lazy


def test_an_array_gives_an_array():
    stack, sound, _ = damaged("missing")
    result = ndi.repair(stack, **LINEAR)
    assert isinstance(result, ndi.RepairResult)
    assert rms(result[5], sound[5]) < 40
    assert result.repaired.nonzero()[0].tolist() == [5]
    assert result.examination.found[0].index == 5


def test_what_was_examined_is_not_examined_again():
    stack, _, _ = damaged("missing")
    examination = ndi.examine(stack)
    calls = []
    result = ndi.repair(stack, examination=examination, report=lambda each: calls.append(each.fraction), **LINEAR)
    assert result.sections[0]["index"] == 5
    assert calls == sorted(calls)
    assert calls[-1] == pytest.approx(1.0)


def test_the_default_method():
    stack, sound, _ = damaged("missing", count=12)
    result = ndi.repair(stack, threads=1, preset="fast", parameters={"candidates": "linear,cubic"})
    assert rms(result[5], sound[5]) < 40


def test_sections_as_a_list():
    assert [each["index"] for each in ndi.repair(tissue(12), sections=[3, 8], **LINEAR).sections] == [3, 8]


def test_xarray_and_files(tmp_path):
    stack, _, _ = damaged("missing")
    image = xarray.DataArray(stack, dims=("z", "y", "x"), coords={"z": np.arange(24) * 2.0})
    result = ndi.repair(image, **LINEAR)
    result.save(tmp_path / "repaired.ome.tif")
    assert ndi.repair(tmp_path / "repaired.ome.tif", **LINEAR).sections == []
    assert result.spacing == 2.0


def test_streamed_to_a_file(tmp_path):
    stack, _, _ = damaged("missing")
    result = ndi.repair(stack, out=tmp_path / "repaired.ome.zarr", **LINEAR)
    assert is_lazy(result.dataset.voxels)
    assert ndi.RepairResult.load(tmp_path / "repaired.ome.zarr").sections == result.sections
    with pytest.raises(OutputError, match="exists already"):
        ndi.repair(stack, out=tmp_path / "repaired.ome.zarr", **LINEAR)


def test_what_is_no_stack():
    with pytest.raises(InputError, match="convert the image"):
        ndi.examine(np.zeros((4, 8, 8), bool))
    with pytest.raises(RequestError, match="'sectoins' is not known"):
        ndi.repair(tissue(4, 16), sectoins="3")
