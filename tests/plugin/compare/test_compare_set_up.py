"""The boxes before a run: which stack, which protocol, which methods, and what is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from compared import TITLE, column, compare, headings
from controls import enter, entries, find, focus_chain, method_rows, pick, press, read, shows, tick
from drive import finish, said, sparse_tiff
from qtpy.QtWidgets import QFileDialog, QLabel

from napari_depth_interp import io
from napari_depth_interp.evaluation.evaluate import LpipsChoice
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.models import weights

KINDS = ["keep_every", "hold_out", "leave_one_out", "projection", "sr4", "reference"]


def said_in(widget):
    return read(widget.bar, "message")


class TestStack:
    def test_nothing_is_open(self, widget):
        assert not find(widget.bar, "run").isEnabled()
        widget.run()
        assert "no image layer" in said_in(widget)

    @pytest.mark.parametrize(
        ("add", "words"),
        [
            (lambda viewer: viewer.add_points(np.zeros((4, 3)), name="points"), "choose an Image layer"),
            (lambda viewer: viewer.add_image(np.zeros((9, 9, 3)), rgb=True, name="rgb"), "has 2 axes"),
            (lambda viewer: viewer.add_image(np.zeros((9, 9)), name="flat"), "has 2 axes"),
            (
                lambda viewer: viewer.add_image(np.zeros((1, 9, 9)), name="one", scale=(2, 1, 1)),
                "two or more are needed",
            ),
            (lambda viewer: viewer.add_image(np.zeros((5, 9, 9)), name="plain"), "type it into 'Z spacing'"),
        ],
    )
    def test_layers_that_will_not_do(self, viewer, widget, add, words):
        add(viewer)
        assert words in read(widget.stack, "summary") + find(widget.bar, "run").toolTip()
        assert not find(widget.bar, "run").isEnabled()
        widget.run()
        assert widget.job is None
        assert "--" not in read(widget.bar, "message")
        assert said("warning")

    def test_a_typed_spacing_places_the_layer(self, qtbot, viewer, widget):
        viewer.add_image(np.random.default_rng(0).random((7, 20, 20)), name="plain")
        enter(widget.stack, "Z spacing", "3um")
        comparison = compare(qtbot, widget)
        widget.scores.table.choose("cubic")
        assert viewer.layers["plain"].scale[0] == viewer.layers["plain cubic restored"].scale[0] == 3
        assert "--z-spacing 3um" in comparison.command()


class TestProtocol:
    def test_each_has_a_sentence_and_its_own_field(self, widget):
        box = widget.protocol
        fields = {"keep_every": "every", "projection": "every", "hold_out": "Sections", "reference": "Reference layer"}
        for kind in KINDS:
            pick(box, "Protocol", kind)
            for field in ("every", "Sections", "Reference layer"):
                assert shows(box, field) == (fields.get(kind) == field), kind
            assert read(box, "summary").endswith("."), kind
            assert isinstance(find(box, "summary"), QLabel)
            assert find(box, "summary").wordWrap()

    def test_comes_back_as_it_was_set(self, widget):
        for protocol in (
            Protocol("keep_every", every=3), Protocol("hold_out", sections=(3, 5)), Protocol("leave_one_out"),
            Protocol("projection", every=4), Protocol("sr4"),
        ):  # fmt: skip
            widget.protocol.set_protocol(protocol)
            assert widget.protocol.protocol() == protocol

    def test_a_list_that_is_none(self, widget, stack):
        pick(widget.protocol, "Protocol", "hold_out")
        for text, words in (("", "no sections to hide"), ("3, x", "not a list of sections")):
            enter(widget.protocol, "Sections", text)
            assert words in said_in(widget), text
            assert not find(widget.bar, "run").isEnabled(), text
            enter(widget.protocol, "Sections", "3 5")
            assert said_in(widget) == "", text
            assert find(widget.bar, "run").isEnabled(), text

    def test_the_reference_must_be_a_layer(self, viewer, widget, stack):
        widget.protocol.set_protocol(Protocol("reference"))
        assert entries(widget.protocol, "Reference layer") == ["a"]
        viewer.layers["a"].name = "b"
        assert find(widget.protocol, "Reference layer").currentText() == "b"
        viewer.add_labels(np.zeros((4, 5, 6), int), name="seg")
        assert find(widget.protocol, "Reference layer").count() == 1
        viewer.layers.clear()
        assert not find(widget.bar, "run").isEnabled()

    def test_the_file_of_the_reference_is_read_once(self, viewer, widget, stack, tmp_path, monkeypatch):
        sparse_tiff(tmp_path / "dense.tif", sections=17)
        press(widget.stack, "Pin")
        viewer.open(tmp_path / "dense.tif", plugin="napari")
        opened, read = [], io.read
        monkeypatch.setattr(io, "read", lambda *words, **named: opened.append(words) or read(*words, **named))
        widget.protocol.set_protocol(Protocol("reference"))
        pick(widget.protocol, "Reference layer", "dense")
        for text in ("1", "1 2", "1 23"):
            enter(widget.protocol, "Data range", text)
        assert len(opened) == 1

    def test_a_data_range_that_is_none(self, qtbot, widget, stack):
        for text in ("1", "a b", "5 2"):
            enter(widget.protocol, "Data range", "")
            assert "data range must be two numbers" not in said_in(widget)
            enter(widget.protocol, "Data range", text)
            widget.run()
            finish(qtbot, widget)
            assert "data range must be two numbers" in said_in(widget), text

    def test_a_given_data_range(self, qtbot, widget, stack):
        enter(widget.protocol, "Data range", "0 40000")
        assert compare(qtbot, widget).scores.data_range == ((0.0, 40000.0),)
        assert "0 to 40000" in read(widget.scores, "summary")

    @pytest.mark.parametrize(
        ("protocol", "words"),
        [
            (Protocol("keep_every", every=20), "keeping one section in 20 of 9"),
            (Protocol("hold_out", sections=(0, 3)), "must lie between the first (0) and the last (8)"),
            (Protocol("projection", every=7), "at least 2n sections"),
        ],
    )
    def test_that_the_stack_is_too_small_for(self, qtbot, viewer, widget, stack, protocol, words):
        widget.protocol.set_protocol(protocol)
        widget.run()
        finish(qtbot, widget)
        assert words in said_in(widget)
        assert "--" not in said_in(widget)
        assert widget.scores.comparison is None
        assert find(widget.bar, "run").isEnabled()

    def test_projections_need_a_reference(self, qtbot, widget, stack):
        pick(widget.stack, "Acquisition", "Projection")
        widget.run()
        finish(qtbot, widget)
        assert "compare with a dense 'Reference layer'" in said_in(widget)
        assert "--" not in said_in(widget)


class TestMethods:
    def test_the_default_list(self, viewer):
        _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", TITLE)
        assert widget.methods.methods() == ("linear", "cubic", "flow", "auto:fast")

    def test_add_choose_and_remove(self, widget):
        box = widget.methods
        box.set_methods(["linear"])
        box.add("section_sr:fast")
        row = method_rows(box)[1]
        pick(row, "Preset", "best")
        assert box.methods() == ("linear", "section_sr:best")
        pick(row, "Method", "flow")
        assert box.methods() == ("linear", "flow")
        assert not shows(row, "Preset")
        pick(row, "Method", "auto")
        assert box.methods()[1].startswith("auto:")
        press(method_rows(box)[0], "Remove")
        assert len(box.methods()) == 1

    def test_none_or_one_twice(self, widget, stack):
        widget.methods.set_methods([])
        assert "there is no method" in said_in(widget)
        assert not find(widget.bar, "run").isEnabled()
        widget.methods.set_methods(["auto:fast", "auto:fast"])
        assert "auto (fast) is listed twice" in said_in(widget)
        widget.methods.set_methods(["auto:fast", "auto:best"])
        assert said_in(widget) == ""
        assert find(widget.bar, "run").isEnabled()


class TestLpips:
    @pytest.fixture
    def offline(self, monkeypatch, tmp_path):
        """No weights on this machine, and an address that cannot be reached."""
        nowhere = {
            name: replace(each, name=f"{each.name}-missing", url="http://127.0.0.1:9/weights.pth")
            for name, each in weights.BACKBONES.items()
        }
        monkeypatch.setattr(weights, "BACKBONES", nowhere)
        monkeypatch.setattr("napari_depth_interp.plugin.compare.methods_box.BACKBONES", nowhere)

    def test_the_label_says_what_is_loaded(self, widget, offline, tmp_path, monkeypatch):
        box = widget.methods
        box.refresh()
        assert "downloads 244 MB once" in read(box, "lpips")
        assert box.lpips() is None
        tick(box, "lpips")
        pick(box, "Network of LPIPS", "squeeze")
        assert "loads 5.0 MB" in read(box, "lpips")
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "own.pth"), ""))
        press(box, "Weights file…")
        assert "weights: own.pth" in read(box, "lpips")
        assert box.lpips() == LpipsChoice("squeeze", tmp_path / "own.pth")

    def test_weights_that_are_there(self, widget, monkeypatch):
        monkeypatch.setattr(
            weights.Download, "stored", property(lambda _self: type("", (), {"is_file": lambda _: True})())
        )
        widget.methods.refresh()
        assert "weights are on this machine" in read(widget.methods, "lpips")

    def test_offline_everything_else_is_computed(self, qtbot, widget, stack, tmp_path, monkeypatch):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "bad.pth"), ""))
        (tmp_path / "bad.pth").write_bytes(b"no weights")
        tick(widget.methods, "lpips")
        press(widget.methods, "Weights file…")
        compare(qtbot, widget, "linear", "cubic", timeout=120_000)
        assert "LPIPS" in headings(widget)
        assert column(widget, "LPIPS") == ["–", "–"]
        assert "LPIPS is not available" in read(widget.scores, "summary")
        assert "'Weights file'" in read(widget.scores, "summary")
        assert "--" not in read(widget.scores, "summary")


def test_tab_goes_through_the_methods_in_the_order_of_the_eye(widget):
    """Rows are made after the buttons below them, also when the list is set anew."""
    widget.methods.set_methods(["linear", "auto:fast", "cubic"])
    box = widget.methods
    expected = [find(row, name) for row in method_rows(box) for name in ("Method", "Preset", "Remove")]
    expected += [find(box, "Add a method"), find(box, "lpips")]
    chain = focus_chain(widget)
    places = [chain.index(part) for part in expected]
    assert places == sorted(places)
    assert chain.index(find(widget.protocol, "Protocol")) < places[0]
    assert places[-1] < chain.index(find(widget.bar, "run"))
