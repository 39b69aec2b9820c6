"""Messages in the window speak of its fields, not of command-line options."""

import numpy as np
import pytest
from controls import find

from napari_depth_interp.errors import DepthInterpError
from napari_depth_interp.plugin.jobs.messages import for_window, name_fields
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset

VOXELS = np.random.default_rng(0).random((4, 6, 6))


@pytest.mark.parametrize(
    ("spacing", "settings", "words"),
    [
        (None, {"factor": 2}, "type it into 'Z spacing', for example 2um"),
        (1.0, {}, "the target 'Factor' 4, the target 'Spacing' 2um or the target 'Isotropic'"),
        (1.0, {"isotropic": True}, "use the target 'Factor' or the target 'Spacing'"),
        (1.0, {"depths": [0.0, 1.0], "factor": 2}, "2 depths were given for 4 sections"),
    ],
)
def test_options_become_fields(spacing, settings, words):
    with pytest.raises(DepthInterpError) as caught:
        resolve(Dataset.from_array(VOXELS, z_spacing=spacing), make_settings(**settings))
    assert words in for_window(caught.value)
    assert "--" not in for_window(caught.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("'a.tif' exists already; choose another name, or add --overwrite to replace it", "choose another name"),
        (
            "add --resume to go on with it, --overwrite to make all anew",
            "add 'Go on' to go on with it, 'Make all anew'",
        ),
        ("leave --uncertainty out", "leave 'Also write the uncertainty' out"),
        ("correct them, or add --nan fill", "add 'Missing values' under More settings"),
    ],
)
def test_options_without_a_field_of_their_name(said, words):
    assert words in name_fields(said)
    assert "--" not in name_fields(said)


def test_the_run_button_says_it_too(widget, viewer):
    viewer.add_image(VOXELS, name="plain")
    assert "type it into 'Z spacing'" in find(widget.bar, "run").toolTip()
