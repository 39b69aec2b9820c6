"""Other packages' methods come in by entry point, and a broken one harms nobody."""

import sys
from importlib.metadata import distributions

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.methods import registry
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset

PLUGIN = """
import numpy as np
from napari_depth_interp.method import MethodConfig, MethodSpec, Sections

class Brightest:
    def prepare(self, stack, *, report):
        self.value = stack.voxels.max()
    def sections_at(self, stack, z, *, report):
        return Sections(np.full((len(z), *stack.voxels.shape[1:]), float(self.value)))

SPEC = MethodSpec(
    "brightest", "Brightest", "Fills with the maximum.", MethodConfig, lambda c, r: Brightest(), "none", training=None
)
"""


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """Install a package with three entry points: a good one, one that cannot be imported, one of a wrong type."""
    (tmp_path / "brightest_plugin.py").write_text(PLUGIN)
    info = tmp_path / "brightest_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brightest-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{registry.ENTRY_POINT_GROUP}]\nbrightest = brightest_plugin:SPEC\n"
        "broken = brightest_plugin_that_is_not_there:SPEC\nwrong = brightest_plugin:PLUGIN_NAME\n"
        "linear = brightest_plugin:SPEC\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._third_party.cache_clear()
    assert any(each.metadata["Name"] == "brightest-plugin" for each in distributions())
    yield
    registry._third_party.cache_clear()
    sys.modules.pop("brightest_plugin", None)


def test_built_in_methods_come_first():
    assert registry.names()[:4] == ["auto", "nearest", "linear", "cubic"]


def test_unknown_method_names_the_known_ones():
    with pytest.raises(RequestError, match="there is no method 'linar'; choose one of auto, nearest, linear, cubic"):
        registry.get("linar")


@pytest.mark.usefixtures("third_party")
class TestThirdParty:
    def test_method_of_another_package_runs(self):
        dataset = Dataset.from_array(np.arange(12.0).reshape(3, 2, 2), z_spacing=1.0)
        result = execute(resolve(dataset, make_settings(method="brightest", factor=2)))
        assert (result.dataset.voxels[0, 0, 1] == 11).all()
        assert (result.dataset.voxels[0, 0, 2] == dataset.voxels[0, 0, 1]).all()

    def test_broken_ones_are_left_out_of_the_list_and_logged(self, caplog):
        assert "brightest" in [spec.name for spec in registry.specs()]
        assert "'broken'" in caplog.text
        assert "'wrong'" in caplog.text

    def test_asking_for_a_broken_one_says_why(self):
        with pytest.raises(RequestError, match=r"'broken' .* cannot be loaded: No module named"):
            registry.get("broken")

    def test_our_own_names_cannot_be_taken(self):
        assert registry.names().count("linear") == 1
        assert registry.get("linear").title == "Linear"
