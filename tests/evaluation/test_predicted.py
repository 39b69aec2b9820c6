"""What methods predict of their own errors, against the truth."""

import json

import numpy as np
import pytest
from making import EVERY_2, make, ramp

from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.method import Findings, MethodConfig, MethodSpec, Sections
from napari_depth_interp.methods import registry


class _Predicting:
    """Zero, with the depth times the darkest voxel as uncertainty, and the number of sections as expected gain."""

    def prepare(self, stack, *, report):
        self.count, self.darkest = len(stack.depths), stack.voxels.min()

    def findings(self):
        return Findings(float(self.count), None, {"linear": 1.0}, {}, ("it is zero",))

    def sections_at(self, stack, z, *, report):
        values = np.zeros((len(z), *stack.voxels.shape[1:]))
        return Sections(values, values + self.darkest * np.array(z)[:, None, None])


@pytest.fixture
def prediction(monkeypatch):
    spec = MethodSpec("zero", "", "", MethodConfig, lambda *_: _Predicting(), "", None, gives_uncertainty=True)
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda name: spec if name == "zero" else get(name))


@pytest.mark.usefixtures("prediction")
class TestPredicted:
    def test_uncertainty_is_compared_with_the_errors_of_hidden_sections(self):
        """The intervals reach to 2.2 times the depths, 2 and 6; the errors are 1 and 2 times 10 and 13."""
        voxels = ramp([1, 10, 1, 6.6, 1])
        (zero,) = evaluate(make(voxels), ["zero"], EVERY_2).methods
        share = np.mean([(voxels[1] <= 4.4).mean(), (voxels[3] <= 13.2).mean()])
        assert 0.4 < share <= 0.5
        assert zero.uncertainty["coverage_90"] == pytest.approx(share)
        assert zero.uncertainty["spearman"] < -0.5

    def test_every_channel_and_time_point_with_its_own(self):
        """The error is the depth times the brightness of the channel, and so is what is predicted."""
        brightness = np.array([[1.0, 30.0], [1000.0, 7.0]])[:, :, None, None, None]
        voxels = brightness * np.ones((2, 2, 7, 12, 12))
        voxels[:, :, 0] *= np.linspace(1, 2, 144).reshape(12, 12)
        voxels[:, :, 1::2] *= np.array([2, 6, 10])[:, None, None]
        (zero,) = evaluate(make(voxels), ["zero"], EVERY_2).methods
        assert zero.uncertainty == pytest.approx({"spearman": 1, "coverage_90": 1})

    @pytest.mark.parametrize(("protocol", "gain"), [(EVERY_2, 4.0), (Protocol("leave_one_out"), 6.0)])
    def test_the_expected_gain_is_the_mean_over_trials(self, noise, protocol, gain):
        (zero,) = evaluate(noise, ["zero"], protocol).methods
        assert zero.expected_gain_db == gain
        assert zero.warnings == ("it is zero",)

    def test_others_predict_nothing(self, noise):
        (linear,) = evaluate(noise, ["linear"], EVERY_2).methods
        assert linear.uncertainty is None
        assert linear.expected_gain_db is None

    def test_both_stand_in_json(self, noise):
        scores = evaluate(noise, ["linear", "zero"], EVERY_2)
        linear, zero = json.loads(json.dumps(scores.as_json(), allow_nan=False))["methods"]
        assert (linear["uncertainty"], linear["expected_gain_db"]) == (None, None)
        assert set(zero["uncertainty"]) == {"spearman", "coverage_90"}
        assert zero["expected_gain_db"] == 4
