"""What cannot be judged is left, or made anew as a whole: neighbours in doubt, and sections that are shifted, too."""

import numpy as np
import pytest
from scipy.ndimage import shift

from damaged_stacks import asked, rms, tissue
from napari_depth_interp.damage.doubt import surely_damaged
from napari_depth_interp.damage.examination import Examination
from napari_depth_interp.damage.execute import execute_repair
from napari_depth_interp.damage.kinds import KINDS, Damage
from napari_depth_interp.stack import Dataset

SOUND = tissue()


def found(*damages):
    count = len(SOUND)
    scores = {name: np.zeros(count) for name in KINDS}
    return Examination(scores, dict.fromkeys(KINDS, 1.0), [Damage(*each[:2], 2.0, 1.0, *each[2:]) for each in damages])


def actions(result):
    return {each["index"]: each["action"] for each in result.sections}


@pytest.fixture
def false_alarm():
    """A black section beside one that is hardly brighter than it should be, and was taken for damaged."""
    stack = SOUND.copy()
    stack[8], stack[9] = 0, SOUND[9] * 1.02
    return stack, found((8, "missing"), (9, "brightness"))


class TestNeighboursInDoubt:
    def test_are_left_and_said(self, false_alarm):
        stack, examination = false_alarm
        result = execute_repair(asked(stack, examination=examination))
        assert actions(result) == {8: "leave", 9: "leave"}
        assert (np.asarray(result) == stack).all()
        assert any("section 8" in each and "--gaps" in each for each in result.warnings)
        assert "section 9 beside it may well be sound" in result.sections[0]["reason"]
        assert result.sections[0]["expected_error"] is None

    def test_are_repaired_when_asked(self, false_alarm):
        stack, examination = false_alarm
        assert actions(execute_repair(asked(stack, examination=examination, gaps=True)))[8] == "interpolate"
        assert actions(execute_repair(asked(stack, examination=examination, sections="8")))[8] == "interpolate"

    def test_both_damaged_for_sure_are_repaired(self):
        stack = SOUND.copy()
        stack[8], stack[9] = SOUND[8] * 0.6, SOUND[9] * 1.5 + 100
        result = execute_repair(asked(stack))
        assert actions(result) == {8: "correct", 9: "correct"}
        assert all(rms(result[k], SOUND[k]) < 0.2 * rms(stack[k], SOUND[k]) for k in (8, 9))

    def test_a_constant_section_is_no_sound_one_however_much_sections_differ(self):
        stack = np.random.default_rng(0).normal(size=(24, 32, 32))
        stack[8] = 0
        told = [surely_damaged(Dataset.from_array(stack).counted(), (0, 0, k), {8, 9}) for k in (8, 9)]
        assert told == [True, False]

    @pytest.mark.parametrize(("gain", "sure"), [(1.0, False), (1.5, True)])
    def test_how_sure(self, gain, sure):
        stack = SOUND.astype(float)
        stack[9] *= gain
        assert surely_damaged(Dataset.from_array(stack).counted(), (0, 0, 9), {8, 9}) is sure


class TestShiftedToo:
    @pytest.fixture
    def part(self):
        part = np.zeros(SOUND.shape[1:], bool)
        part[:, :6] = True
        return part

    @pytest.mark.parametrize(("columns", "action"), [(0.0, "fill"), (5.0, "interpolate")])
    def test_a_torn_section_is_made_anew_as_a_whole(self, part, columns, action):
        stack = SOUND.copy()
        stack[8] = shift(SOUND[8].astype(float), (0, columns), order=1, mode="nearest")
        stack[8][part] = 0
        result = execute_repair(asked(stack, examination=found((8, "partial", part))))
        assert actions(result) == {8: action}
        plain = (SOUND[7].astype(float) + SOUND[9]) / 2
        assert rms(result[8], SOUND[8]) <= 1.012 * rms(plain, SOUND[8])
        assert ("even so it lies further off" in result.sections[0]["reason"]) is (action == "interpolate")

    def test_a_mask_is_believed(self, part):
        stack, mask = SOUND.copy(), np.zeros(SOUND.shape, bool)
        stack[8] = np.roll(SOUND[8], 5, 1)
        mask[8] = part
        result = execute_repair(asked(stack, examination=found(), mask=mask))
        assert actions(result) == {8: "fill"}
        assert (result[8][~part] == stack[8][~part]).all()

    def test_a_striped_one_too(self):
        stack = SOUND.copy()
        rows = np.random.default_rng(1).normal(0, 60, 72)[:, None]
        stack[8] = np.clip(np.roll(SOUND[8], 5, 1) + rows, 0, 65535)
        result = execute_repair(asked(stack, examination=found((8, "stripes"))))
        assert actions(result) == {8: "interpolate"}
