"""The dock as a user drives it: find, look, choose, repair, save, copy."""

import csv
import shlex

import numpy as np
import pytest
import tifffile
from controls import column_texts, cursor_at, drawn_curves, entries, find, pick, press, read, tick
from damaged import COPY, MISSING, TORN, damaged, finish, open_dock, sound
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

import napari_depth_interp as ndi
from command_line import depth_interp
from napari_depth_interp import io
from napari_depth_interp.damage.result import RepairResult
from napari_depth_interp.plugin.layers import REAL_KEY
from napari_depth_interp.run.result import RECORD_KEY

ALL = [MISSING, COPY, TORN]


def table(dock):
    return find(dock.suspects, "Suspected sections")


def rows(dock):
    return column_texts(table(dock), 0)


def in_canvas(viewer):
    overlay = viewer.canvas.overlays.text
    return overlay.text.replace("\N{NO-BREAK SPACE}", "") if overlay.visible else ""


def choose(dock, section, what):
    pick(dock.suspects, f"What to do with section {section}", what)


def repair(qtbot, dock):
    press(dock.bar, "run")
    finish(qtbot, dock)
    return dock.viewer.layers.selection.active


class TestFinding:
    def test_says_what_to_do_first(self, viewer, dock):
        assert not find(dock.search, "Find damaged sections").isEnabled()
        assert not find(dock.bar, "run").isEnabled()
        viewer.add_image(damaged(), name="em")  # a spacing that is not known does not matter
        assert find(dock.search, "Find damaged sections").isEnabled()
        assert "Press Find damaged sections" in read(dock.suspects, "summary")
        assert "nothing is to be repaired" in find(dock.bar, "run").toolTip()

    def test_lists_the_damaged_sections_beside_their_neighbours(self, found):
        assert read(found.search, "summary") == "3 sections are suspected among 18"
        assert rows(found) == [
            f"{MISSING}: missing\nmade anew",
            f"{COPY}: duplicate\nmade anew",
            f"{TORN}: partial\npart filled in",
        ]
        assert read(found.suspects, "summary") == "2 to make anew, 1 to fill in part"
        assert "the same as section 8" in table(found).item(1, 0).toolTip()
        assert entries(found.suspects, f"What to do with section {COPY}") == ["Repair", "Keep", "Leave a gap"]
        pictures = [each.pixmap().toImage() for each in table(found).findChildren(QLabel) if not each.pixmap().isNull()]
        assert len(pictures) == 3
        middle = pictures[0].width() // 2, pictures[0].height() // 2
        assert pictures[0].pixelColor(*middle).lightness() == 0  # the black section
        assert pictures[0].pixelColor(10, middle[1]).lightness() > 0

    def test_nothing_is_changed_by_looking(self, found, layer):
        np.testing.assert_array_equal(layer.data, damaged())
        assert len(found.viewer.layers) == 1

    def test_a_click_goes_to_the_section_and_the_canvas_names_it(self, qtbot, viewer, found):
        view = table(found)
        place = view.visualItemRect(view.item(1, 0)).center()
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
        assert viewer.dims.point[0] == 2.0 * COPY
        assert in_canvas(viewer) == f"section {COPY}: copy of a neighbour"
        viewer.dims.set_point(0, 2.0 * (COPY + 1))
        assert in_canvas(viewer) == ""
        assert view.selectionModel().selectedRows() == []

    def test_four_sections_are_in_view_at_once_below_two_lines_of_words(self, qtbot, shown_viewer):
        dock = open_dock(shown_viewer)
        qtbot.waitUntil(dock.isVisible)
        window = dock.window()
        window.resize(1280, 800)
        window.resizeDocks([dock.parent()], [dock.wide], Qt.Orientation.Horizontal)
        shown_viewer.add_image(damaged(), scale=(2, 0.5, 0.5), units=("um",) * 3, name="em")
        press(dock.search, "Find damaged sections")
        finish(qtbot, dock)
        shown_viewer.dims.set_point(0, 2.0 * 16)
        press(dock.suspects, "add section")
        choose(dock, 16, "Leave a gap")
        words = find(dock.suspects, "summary")
        QTest.qWait(100)
        assert words.text() == "2 to make anew, 1 to fill in part, 1 to leave out"
        words.setText(f"{words.text()} of the four sections")
        line = words.fontMetrics().height()
        qtbot.waitUntil(lambda: 1.5 * line < words.height() < 2.5 * line)
        assert len(rows(dock)) == 4
        assert table(dock).verticalScrollBar().maximum() == 0
        window.resize(900, 650)

    def test_keys_go_from_one_suspected_section_to_the_next(self, viewer, found):
        viewer.dims.set_point(0, 0.0)
        for section in (MISSING, COPY, TORN, TORN):
            found.next_hidden()
            assert viewer.dims.point[0] == 2.0 * section
        found.previous_hidden()
        assert viewer.dims.point[0] == 2.0 * COPY

    def test_only_the_chosen_kinds_are_looked_for(self, qtbot, dock, layer):
        for name in ("missing or constant", "partly black or torn"):
            tick(dock.search, name, False)
        press(dock.search, "Find damaged sections")
        finish(qtbot, dock)
        assert [text.split(":")[0] for text in rows(dock)] == [str(COPY)]
        words = shlex.split(_copied(dock))
        assert "missing" not in words[words.index("--kinds") + 1].split(",")

    def test_a_sound_stack_has_none(self, qtbot, viewer, dock):
        viewer.add_image(sound(), scale=(2, 0.5, 0.5), units=("um",) * 3)
        press(dock.search, "Find damaged sections")
        finish(qtbot, dock)
        assert read(dock.search, "summary") == "no section is suspected among 18"
        assert rows(dock) == []
        assert not find(dock.bar, "run").isEnabled()

    def test_what_was_found_is_forgotten_with_another_layer(self, viewer, found, layer):
        viewer.add_image(sound(), scale=(2, 0.5, 0.5), units=("um",) * 3)
        assert rows(found) == []
        assert read(found.search, "summary") == "Not looked through yet."

    def test_another_layer_chosen_meanwhile_gets_nothing_of_it(self, qtbot, viewer, dock, layer):
        press(dock.search, "Find damaged sections")
        viewer.add_image(sound(), scale=(2, 0.5, 0.5), units=("um",) * 3)
        finish(qtbot, dock)
        assert "another layer was chosen" in read(dock.bar, "message")
        assert rows(dock) == []


def _copied(dock):
    press(dock.scores, "Copy as command")
    return QApplication.clipboard().text()


class TestScores:
    def test_the_plot_shows_every_section_and_the_view(self, viewer, found):
        curves = drawn_curves(found.scores.plot)
        assert {"missing", "duplicate", "partial", "threshold"} <= curves.keys()
        x, y = curves["missing"]
        assert x[y >= 1].tolist() == [2.0 * MISSING]
        viewer.dims.set_point(0, 2.0 * TORN)
        assert cursor_at(found.scores.plot) == 2.0 * TORN
        pick(found.scores, "Kind of damage", "partial")
        assert drawn_curves(found.scores.plot).keys() == {"partial", "threshold"}
        assert "share of the area that is lost" in read(found.scores, "summary")

    def test_a_place_in_the_plot_is_gone_to(self, viewer, found):
        found.scores.plot.depth_chosen.emit(2.0 * COPY + 0.7)
        assert viewer.dims.point[0] == 2.0 * COPY

    def test_the_table_as_csv(self, found, tmp_path):
        found.save_table(tmp_path / "sections.csv")
        with (tmp_path / "sections.csv").open(encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == 18
        assert {int(line["index"]): line["kind"] for line in lines if line["kind"]} == {
            MISSING: "missing", COPY: "duplicate", TORN: "partial",
        }  # fmt: skip
        found.save_table(tmp_path / "sections.csv")
        assert "exists" in read(found.bar, "message")


class TestRepairing:
    def test_repairs_what_is_chosen_into_a_new_layer(self, qtbot, viewer, found, layer):
        new = repair(qtbot, found)
        assert new.name == "em repaired"
        expected = ndi.repair(damaged(), method="linear", sections=ALL, z_spacing="2um")
        np.testing.assert_array_equal(new.data, expected)
        others = [k for k in range(18) if k not in ALL]
        np.testing.assert_array_equal(new.data[others], sound()[others])
        np.testing.assert_array_equal(new.data[TORN, :6], sound()[TORN, :6])  # the edge of the part is blended
        np.testing.assert_array_equal(layer.data, damaged())
        np.testing.assert_allclose(new.scale, layer.scale)
        assert new.metadata[RECORD_KEY]["repaired"] == ALL
        assert new.metadata[REAL_KEY] is False
        assert found.stack.layer == layer  # the result is not the next input
        assert "3 sections repaired in" in read(found.bar, "message")
        assert "last repair: made anew from its neighbours" in table(found).item(0, 0).toolTip()

    def test_the_canvas_says_what_was_repaired(self, qtbot, viewer, found):
        repair(qtbot, found)
        said = {}
        for section in (MISSING, MISSING + 1, TORN):
            viewer.dims.set_point(0, 2.0 * section)
            said[section] = in_canvas(viewer)
        assert said == {
            MISSING: f"repaired section {MISSING}: missing, made anew from its neighbours",
            MISSING + 1: f"section {MISSING + 1}, as recorded",
            TORN: f"repaired section {TORN}: partial, lost part filled in",
        }
        viewer.layers["em repaired"].visible = False
        viewer.dims.set_point(0, 2.0 * MISSING)
        assert in_canvas(viewer) == f"section {MISSING}: missing or constant"

    def test_a_section_can_be_kept_or_left_out(self, qtbot, viewer, found):
        choose(found, MISSING, "Leave a gap")
        choose(found, COPY, "Keep")
        assert "1 to leave out" in read(found.suspects, "summary")
        assert rows(found)[1] == f"{COPY}: duplicate"
        new = repair(qtbot, found)
        assert len(new.data) == 17
        np.testing.assert_array_equal(new.data[COPY - 1], damaged()[COPY])
        np.testing.assert_array_equal(new.data[MISSING], damaged()[MISSING + 1])
        depths = new.metadata[RECORD_KEY]["depths"]
        assert depths == [2.0 * k for k in range(18) if k != MISSING]

    def test_nothing_chosen_is_nothing_to_do(self, found):
        for section in ALL:
            choose(found, section, "Keep")
        assert not find(found.bar, "run").isEnabled()
        choose(found, TORN, "Repair")
        assert find(found.bar, "run").isEnabled()

    def test_a_section_is_added_by_hand(self, qtbot, viewer, found):
        viewer.dims.set_point(0, 2.0 * 15)
        press(found.suspects, "add section")
        assert rows(found)[-1] == "15: named\nmade anew"
        for section in ALL:
            choose(found, section, "Keep")
        new = repair(qtbot, found)
        assert new.metadata[RECORD_KEY]["repaired"] == [15]
        expected = (damaged()[14].astype(float) + damaged()[16]) / 2
        np.testing.assert_allclose(new.data[15], expected, atol=0.5)

    def test_sections_added_by_hand_stay_when_damage_is_looked_for(self, qtbot, viewer, dock, layer):
        for section in (15, TORN):
            viewer.dims.set_point(0, 2.0 * section)
            press(dock.suspects, "add section")
        choose(dock, TORN, "Leave a gap")
        press(dock.search, "Find damaged sections")
        finish(qtbot, dock)
        assert [text.split("\n")[0] for text in rows(dock)] == [
            f"{MISSING}: missing", f"{COPY}: duplicate", f"{TORN}: partial", "15: named",
        ]  # fmt: skip
        assert read(dock.suspects, "summary") == "3 to make anew, 1 to leave out"
        press(dock.search, "Find damaged sections")  # once more: still there, once
        finish(qtbot, dock)
        assert [text.split(":")[0] for text in rows(dock)] == [str(k) for k in (*ALL, 15)]
        new = repair(qtbot, dock)
        reasons = {each["index"]: each["reason"] for each in new.metadata[RECORD_KEY]["sections"]}
        assert reasons[15] == "named by the user"
        assert reasons[TORN] == "left out as told"

    def test_what_is_chosen_is_said_before_anything_was_looked_for(self, qtbot, viewer, dock, layer):
        for section in (15, 2):
            viewer.dims.set_point(0, 2.0 * section)
            press(dock.suspects, "add section")
        assert read(dock.suspects, "summary") == "2 to repair; all are looked at first"
        choose(dock, 2, "Leave a gap")
        assert read(dock.suspects, "summary") == "1 to repair, 1 to leave out; all are looked at first"
        choose(dock, 2, "Keep")
        new = repair(qtbot, dock)
        assert new.metadata[RECORD_KEY]["repaired"] == [15]
        choose(dock, 15, "Keep")
        assert read(dock.suspects, "summary") == "2 listed; choose for each what to do."

    def test_neighbours_are_made_anew_only_when_told(self, qtbot, viewer, found):
        viewer.dims.set_point(0, 2.0 * (MISSING + 1))
        press(found.suspects, "add section")
        assert rows(found)[:2] == [f"{MISSING}: missing\nleft as it is", f"{MISSING + 1}: named\nleft as it is"]
        assert "'Also several in a row' makes both anew" in table(found).item(0, 0).toolTip()
        tick(found.suspects, "Also several in a row")
        assert rows(found)[0] == f"{MISSING}: missing\nmade anew"
        new = repair(qtbot, found)
        assert new.metadata[RECORD_KEY]["repaired"] == sorted([*ALL, MISSING + 1])

    def test_all_sections_are_aligned_afterwards_when_told(self, qtbot, viewer, found):
        pick(found.suspects, "Align sections", "sideways")
        assert repair(qtbot, found).metadata[RECORD_KEY]["align"]["kind"] == "translation"
        assert "--align translation" in _copied(found)

    def test_cancelled_repairs_change_nothing(self, qtbot, viewer, found, slow, monkeypatch):
        monkeypatch.setattr(found.method, "values", lambda: {"method": "slow", "preset": "best", "parameters": {}})
        press(found.bar, "run")
        qtbot.waitUntil(lambda: "so far" in read(found.bar, "message") or "fitting" in read(found.bar, "message"))
        press(found.bar, "run")
        finish(qtbot, found)
        assert read(found.bar, "message") == "cancelled; nothing was changed"
        assert [layer.name for layer in viewer.layers] == ["em"]


class TestFiles:
    def test_what_is_saved_is_opened_with_its_marks(self, qtbot, viewer, found, tmp_path):
        new = repair(qtbot, found)
        found.save_result(tmp_path / "mended.tif")
        finish(qtbot, found)
        dataset = io.read(tmp_path / "mended.tif")
        np.testing.assert_array_equal(dataset.voxels[0, 0], new.data)
        record = dataset.record[RECORD_KEY]
        assert [(each["index"], each["action"]) for each in record["sections"]] == [
            (MISSING, "interpolate"), (COPY, "interpolate"), (TORN, "fill"),
        ]  # fmt: skip
        assert RepairResult.load(tmp_path / "mended.tif").repaired.sum() == 3
        viewer.layers.clear()
        [opened] = viewer.open(str(tmp_path / "mended.tif"), plugin="napari-depth-interp")
        viewer.dims.set_point(0, float(opened.data_to_world((COPY, 0, 0))[0]))
        assert in_canvas(viewer) == f"repaired section {COPY}: duplicate, made anew from its neighbours"

    def test_the_copied_command_repairs_the_same(self, qtbot, viewer, dock, tmp_path):
        tifffile.imwrite(
            tmp_path / "em.tif", damaged(), imagej=True, resolution=(2, 2),
            metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"},
        )  # fmt: skip
        dock.stack.open_files([tmp_path / "em.tif"])
        press(dock.search, "Find damaged sections")
        finish(qtbot, dock)
        choose(dock, COPY, "Keep")
        words = shlex.split(_copied(dock))
        assert words[:4] == ["depth-interp", "repair", str(tmp_path / "em.tif"), "em_repaired.tif"]
        assert words[words.index("--sections") + 1] == f"{MISSING},{TORN}"
        new = repair(qtbot, dock)
        done = depth_interp(*words[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(io.read(tmp_path / "em_repaired.tif").voxels[0, 0], new.data)


@pytest.mark.parametrize("rgb", [False, True])
def test_channels_and_colours_are_repaired_together(qtbot, viewer, dock, rgb):
    voxels = np.stack([damaged(), np.roll(damaged(), 5, axis=2), damaged()], axis=-1)
    if rgb:
        viewer.add_image((voxels // 16).astype(np.uint8), rgb=True, name="em")
    else:
        image = viewer.add_image(voxels, channel_axis=-1, name="em")[0]
        viewer.layers.selection.active = image
    press(dock.search, "Find damaged sections")
    finish(qtbot, dock)
    assert [text.split(":")[0] for text in rows(dock)] == [str(k) for k in ALL]
    before = len(viewer.layers)
    repair(qtbot, dock)
    assert len(viewer.layers) > before
    assert all(layer.metadata[RECORD_KEY]["repaired"] == ALL for layer in viewer.layers[before:])


def test_the_dock_can_be_closed_and_opened_again(qtbot, viewer, found):
    viewer.window.remove_dock_widget(found.parent())
    QTest.qWait(10)
    viewer.dims.set_point(0, 2.0 * MISSING)
    assert in_canvas(viewer) == ""
    _, again = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Repair sections")
    assert rows(again) == []


@pytest.mark.parametrize(
    "voxels",
    [
        np.zeros((6, 16, 16), np.uint8),
        sound()[:2],
        sound()[:3, :1, :1],
        np.where(np.arange(8)[:, None, None] == 4, np.nan, sound()[:8].astype("float32")),
        np.zeros((5, 16, 16), np.uint16) + np.array([0, 0, 500, 0, 0], np.uint16)[:, None, None],
    ],
    ids=["constant", "two sections", "one pixel", "NaN", "one section holds something"],
)
def test_stacks_in_which_little_can_be_said(qtbot, viewer, dock, voxels):
    viewer.add_image(voxels, name="em")
    press(dock.search, "Find damaged sections")
    finish(qtbot, dock)
    assert "suspected among" in read(dock.bar, "message")
    for section in dock.suspects.sections:
        choose(dock, section, "Repair")
    if find(dock.bar, "run").isEnabled():
        repair(qtbot, dock)
    assert dock.job is None
    viewer.dims.set_point(0, 1.0)
    press(dock.suspects, "add section")
    assert "1" in {text.split(":")[0] for text in rows(dock)}
