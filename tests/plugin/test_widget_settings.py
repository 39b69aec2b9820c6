"""The widget's settings: in files, remembered between starts, and first from the Preferences."""

import nibabel
import numpy as np
import pytest
import yaml
from controls import enter, find, form_of, heading, pick, read, type_over
from drive import choose, opened, run, said
from napari.settings import get_plugin_settings

from command_line import run_json
from napari_depth_interp.run.settings import Settings, make_settings

PLUGIN = "napari-depth-interp"
ONLY_IN_FILES = {"DepthInterpolation": set(), "BatchFolder": {"depths", "enhance_parameters"}}
"""Lists and mappings that a dock has no box for; a settings file may give them."""


class TestSettings:
    def test_file_is_what_the_command_line_reads(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        choose(widget, method="cubic", factor=3, parameters={"overshoot": "keep"}, dtype="float32", z_spacing="3um")
        widget.save_settings(str(tmp_path / "s.yaml"))
        assert "saved" in read(widget.bar, "message")
        done = run(qtbot, widget)
        answer = run_json("run", tmp_path / "a.tif", tmp_path / "out.nii", "--settings", tmp_path / "s.yaml")
        assert answer["spacing"] == pytest.approx(1.0)
        voxels = np.asarray(nibabel.load(tmp_path / "out.nii").dataobj).T
        assert voxels.dtype == np.float32
        np.testing.assert_array_equal(voxels, done.layers[0].data)

    def test_round_trip(self, viewer, widget, open_widget, tmp_path):
        wanted = make_settings(
            method="cubic", preset="fast", parameters={"kind": "spline"}, spacing="0.5um", acquisition="projection:6",
            z_spacing="2um", dtype="float32", nan="fill", device="cpu", threads=2, seed=9,
        )  # fmt: skip
        widget.set_settings(wanted)
        widget.save_settings(str(tmp_path / "s.yaml"))
        choose(widget, method="linear", parameters={}, spacing=None, factor=2, threads=None)
        widget.load_settings(str(tmp_path / "s.yaml"))
        assert widget.settings() == wanted

    def test_what_has_no_box_of_its_own_is_among_more_settings(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        enter(widget.more, "Seed", "7")
        pick(widget.more, "Data type", "float32")
        type_over(find(form_of(widget.more), "Threads"), "1")
        assert heading(widget.more) == "More settings: threads, seed, data type"
        settings = widget.settings()
        assert (settings.seed, settings.dtype, settings.threads) == (7, "float32", 1)
        assert run(qtbot, widget).layers[0].data.dtype == np.float32

    def test_sections_are_aligned_where_that_is_chosen(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        pick(widget.more, "Align sections", "translation")
        assert heading(widget.more) == "More settings: align sections"
        assert widget.settings().align == "translation"
        record = run(qtbot, widget).layers[0].metadata["depth_interp"]
        assert record["align"]["kind"] == "translation"

    def test_every_setting_has_one_place(self, widget, viewer):
        _, batch = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch folder")
        for dock in (widget, batch):
            edited = [name for box in dock.settings_boxes for name in box.values()]
            assert len(edited) == len(set(edited))
            assert {*edited, *dock.not_used} | ONLY_IN_FILES[type(dock).__name__] == set(Settings.model_fields)

    def test_a_projection_without_a_target_means_its_own_factor(self, widget, tmp_path):
        (tmp_path / "s.yaml").write_text("acquisition: projection:6\n")
        widget.load_settings(str(tmp_path / "s.yaml"))
        assert widget.settings().factor == 6

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("method: magic", "no method 'magic'"),
            ("method: cubic\nparameters: {kind: odd}", "kind"),
            ("method: linear\nparameters: {gone: 1}", "'gone' is not known"),
            ("acquisition: projection:x", "acquisition 'projection:x' is not known"),
            ("colour: red", "'colour' is not known"),
            ("[1, 2", "cannot be read"),
        ],
    )
    def test_a_file_that_does_not_fit_changes_nothing(self, widget, tmp_path, text, words):
        (tmp_path / "s.yaml").write_text(text)
        before = widget.settings()
        widget.load_settings(str(tmp_path / "s.yaml"))
        assert words in read(widget.bar, "message")
        assert widget.settings() == before

    def test_what_the_widget_cannot_use_is_said(self, widget, tmp_path):
        (tmp_path / "s.yaml").write_text("channel: 1\nfactor: 5\n")
        widget.load_settings(str(tmp_path / "s.yaml"))
        assert "not used here: channel" in read(widget.bar, "message")
        assert widget.settings().factor == 5

    def test_a_folder_that_is_not_there_is_told(self, widget, tmp_path):
        widget.save_settings(str(tmp_path / "missing" / "s.yaml"))
        assert "missing" in read(widget.bar, "message")

    def test_remembered_between_starts(self, qtbot, viewer, widget, open_widget, tmp_path, config_folder):
        opened(widget, tmp_path / "a.tif")
        run(qtbot, widget, method="cubic", factor=3, parameters={"kind": "spline"}, z_spacing="3um", seed=4)
        kept = yaml.safe_load((config_folder / "last-run.yaml").read_text())
        assert kept == {"method": "cubic", "factor": 3, "parameters": {"kind": "spline"}, "seed": 4}
        viewer.window.remove_dock_widget(widget)
        again = open_widget().settings()
        assert (again.method, again.factor, again.parameters, again.seed) == ("cubic", 3, {"kind": "spline"}, 4)
        assert again.z_spacing is None

    @pytest.mark.parametrize("text", ["method: gone", "method: linear\nparameters: {gone: 1}", "::", "factor: [1]"])
    def test_old_or_broken_memory_does_no_harm(self, open_widget, config_folder, text):
        (config_folder / "last-run.yaml").write_text(text)
        assert open_widget().settings() == make_settings(method="linear", factor=4)

    def test_a_read_only_home_does_not_stop_a_run(self, qtbot, widget, tmp_path, config_folder):
        (config_folder / "last-run.yaml").mkdir()
        opened(widget, tmp_path / "a.tif")
        run(qtbot, widget)
        assert any("could not be remembered" in message for message in said("warning"))

    def test_preferences_are_the_first_defaults(self, slow, viewer, open_widget):
        defaults = get_plugin_settings(PLUGIN).defaults
        defaults.device, defaults.preset = "cpu", "best"
        try:
            widget = open_widget()
            assert (widget.settings().device, widget.settings().preset) == ("cpu", "best")
            choose(widget, method="slow")
            assert form_of(widget.method).config().steps == 200
        finally:
            defaults.device, defaults.preset = "auto", "balanced"
