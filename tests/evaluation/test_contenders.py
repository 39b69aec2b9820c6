"""Methods by name, with presets and parameters of their own."""

import numpy as np
import pytest
from making import EVERY_2, make

from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate, plan_of
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import Settings, make_settings
from quick import QUICK


def config_of(text, settings=None):
    plan = plan_of(text, settings or Settings())
    return resolve(make(np.random.default_rng(0).random((5, 12, 12))), plan, depths=[0.0, 1.0]).config


def test_a_name_alone_takes_preset_and_parameters_of_all():
    plan = plan_of("section_sr", make_settings(preset="best", seed=4, device="cpu"))
    assert (plan.method, plan.preset, plan.parameters, plan.seed, plan.device) == ("section_sr", "best", {}, 4, "cpu")


def test_a_preset_of_its_own_wins():
    plan = plan_of("section_sr:fast", make_settings(preset="best", seed=4))
    assert (plan.method, plan.preset, plan.seed) == ("section_sr", "fast", 4)
    assert config_of("section_sr:fast") != config_of("section_sr:best")


def test_parameters_of_its_own_are_read_as_numbers_and_words():
    assert config_of("cubic:kind=spline").kind == "spline"
    assert config_of("section_sr:training_steps=30:channels=8").training_steps == 30
    both = config_of("section_sr:fast:channels=8")
    assert both.channels == 8
    assert both.training_steps == config_of("section_sr:fast").training_steps


def test_parameters_of_the_settings_belong_to_their_method_unless_it_has_its_own():
    settings = make_settings(method="section_sr", parameters=QUICK["section_sr"])
    for name in ("section_sr", "section_sr:fast"):
        assert config_of(name, settings).training_steps == QUICK["section_sr"]["training_steps"]
    assert plan_of("linear", settings).parameters == {}
    assert plan_of("section_sr:channels=16", settings).parameters == {"channels": "16"}


def test_what_concerns_the_input_or_the_target_is_not_applied_again():
    settings = make_settings(channel="1", z_spacing="3um", factor=7, acquisition="projection:3", depths=[1.0, 2.0])
    plan = plan_of("linear", settings)
    assert (plan.channel, plan.z_spacing, plan.factor, plan.acquisition, plan.depths) == (None,) * 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cubic:fst", "preset: input should be 'fast', 'balanced', 'best', 'sharp' or 'published', got 'fst'"),
        ("cubic:", "preset: input should be .*, got ''"),
        ("cubic:kind=round", "cubic: kind: input should be .*, got 'round'"),
        ("cubic:shape=3", "cubic: 'shape' is not known; its parameters are: .*kind"),
        ("magic:fast", "no method 'magic'"),
        (":fast", "no method ''"),
    ],
)
def test_a_contender_that_cannot_run_is_refused_before_the_first_run(name, message):
    runs = []
    data = make(np.random.default_rng(0).random((5, 12, 12)))
    with pytest.raises(RequestError, match=message) as error:
        evaluate(data, ["linear", name], EVERY_2, on_result=lambda *each: runs.append(each))
    assert runs == []
    assert "\n" not in str(error.value)


def test_contenders_of_one_method_are_scored_side_by_side():
    data = make(np.random.default_rng(0).random((7, 12, 12)))
    names = ["linear", "cubic", "cubic:kind=spline"]
    scores = evaluate(data, names, EVERY_2)
    assert [each.method for each in scores.methods] == names
    assert [each.config.get("kind") for each in scores.methods] == [None, "catmull-rom", "spline"]
    assert scores.of("cubic").mean["mse"] != scores.of("cubic:kind=spline").mean["mse"]
    assert scores.of("cubic:fast") is None


def test_the_settings_of_the_runs_are_kept():
    data = make(np.random.default_rng(0).random((5, 12, 12)))
    settings = make_settings(method="cubic", parameters={"kind": "spline"}, preset="fast", seed=7)
    assert evaluate(data, ["linear"], EVERY_2, settings).settings == {"preset": "fast", "seed": 7}
    assert evaluate(data, ["linear"], EVERY_2).settings == {}
