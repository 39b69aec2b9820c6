"""Why nothing is held back, for each method that holds something back."""

from pathlib import Path

import pytest

from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.training.unvalidated import why_nothing_is_held_back


@pytest.mark.parametrize(
    ("method", "share", "files", "pairs", "words"),
    [
        ("msdsr", 0.0, 3, False, "the validation share is 0"),
        ("msdsr", 0.1, 1, False, "0.1 of one file makes no whole file, and it is too small"),
        ("rrdb_gan", 0.1, 1, False, "give more or larger stacks"),
        ("srcnn", 0.25, 3, False, "noisy images have no truth to be compared with"),
        ("srcnn", 0.25, 2, True, "0.25 of 2 files makes no whole file; give more pairs"),
    ],
)
def test_why(method, share, files, pairs, words):
    spec = registry.get(method)
    names = [Path(f"{i}.tif") for i in range(files)]
    data = TrainingData([None] * files, names, targets=[None] * files if pairs else ())
    assert words in why_nothing_is_held_back(spec, spec.config(validation_share=share), data)
