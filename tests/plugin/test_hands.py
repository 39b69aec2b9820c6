"""What hands expect of a window: the wheel scrolls, Tab goes on, docks fit, the dock follows the selected layer."""

import threading

import numpy as np
import pytest
from controls import find, press, read
from drive import choose, finish, opened, run, sparse_tiff
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QThreadPool, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QTableWidget,
    QWidget,
)

from napari_depth_interp.methods import registry
from napari_depth_interp.plugin.boxes.method_choice import MethodChoice
from napari_depth_interp.plugin.folding import Fold
from napari_depth_interp.plugin.shortcuts import SHORTCUTS
from napari_depth_interp.plugin.wheel import WheelGuard
from napari_depth_interp.progress import Progress

PLUGIN = "napari-depth-interp"
TITLES = (
    "Depth interpolation",
    "Compare methods",
    "Train a model",
    "Batch folder",
    "Interpolate labels",
    "Repair sections",
    "Fuse stacks",
)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def _models(models_home):
    """No models of the user."""
    yield
    QThreadPool.globalInstance().waitForDone(30_000)  # the first search for a GPU imports torch


@pytest.fixture
def two_layers(viewer):
    """Two stacks in the viewer; the second is selected, as the last that was added."""
    return [
        viewer.add_image(np.random.default_rng(i).random((5, 8, 9)), name=name, scale=(2, 1, 1))
        for i, name in enumerate(("first", "second"))
    ]


def docked(viewer, title=TITLES[0]):
    return viewer.window.add_plugin_dock_widget(PLUGIN, title)[1]


def within_reach(viewer, title=TITLES[0]):
    """Return a dock once it is shown: no hand reaches it before."""
    widget = docked(viewer, title)
    for _ in range(500):
        if widget.isVisible():
            return widget
        QTest.qWait(10)
    raise AssertionError(f"{title} was not shown within 5 s")


def clipped(area):
    """Return the texts of labels, buttons and boxes to tick for which there is not enough room."""
    found = []
    for each in area.findChildren(QWidget):
        if isinstance(each, QLabel) and each.wordWrap():
            fits = each.heightForWidth(each.width()) <= each.height() + 1
        elif isinstance(each, (QLabel, QPushButton, QCheckBox)):
            fits = each.sizeHint().width() <= each.width() + 16  # style sheets count some room twice
        else:
            continue
        if each.isVisible() and each.text() and not fits:
            found.append(each.text())
    return found


def places_of_buttons(inside):
    """Return x, y, width and height in the window of each button that is shown, once they have been laid out."""
    found, before = [], None
    while found != before:
        QTest.qWait(60)
        shown = [each for each in inside.findChildren(QPushButton) if each.isVisible()]
        before, found = found, [(*_place(each), each.width(), each.height()) for each in shown]
    return np.array(found)


def _place(widget):
    at = widget.mapTo(widget.window(), QPoint(0, 0))
    return at.x(), at.y()


def window_of(viewer):
    """Return napari's window, found as any plugin can: from a widget that lies in it."""
    return next(each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow) and each.isVisible())


def activate(viewer):
    """Bring the window to the front, so that its controls can have the focus."""
    window = window_of(viewer)
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 5000)


def turn_wheel(widget, steps=-1):
    """Turn the wheel over a widget, as Qt sends it: to the widget first, then to those that it lies in."""
    while widget is not None:
        middle = QPointF(widget.rect().center())
        event = QWheelEvent(
            middle, QPointF(widget.mapToGlobal(middle.toPoint())), QPoint(0, 0), QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        event.setAccepted(True)
        QApplication.sendEvent(widget, event)
        if event.isAccepted():
            return
        widget = widget.parentWidget()


def state(control):
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


class TestWheel:
    @pytest.mark.parametrize("title", TITLES)
    def test_edits_no_control_without_the_focus(self, shown_viewer, title):
        shown_viewer.add_image(np.random.default_rng(0).random((9, 8, 9)), scale=(2, 1, 1))
        widget = within_reach(shown_viewer, title)
        for fold in widget.findChildren(Fold):
            fold.unfold()
        controls = [each for kind in (QComboBox, QAbstractSpinBox) for each in widget.findChildren(kind)]
        assert len(controls) > 2
        before = [state(each) for each in controls]
        for each in controls:
            each.clearFocus()
            for steps in (-1, 1, -1):
                turn_wheel(each, steps)
        assert [state(each) for each in controls] == before

    def test_scrolls_the_panel_instead(self, shown_viewer):
        shown_viewer.add_image(np.random.default_rng(0).random((9, 8, 9)), scale=(2, 1, 1))
        widget = within_reach(shown_viewer)
        for fold in widget.findChildren(Fold):
            fold.unfold()
        QTest.qWait(100)
        bar = widget.tabs.currentWidget().verticalScrollBar()
        assert isinstance(widget.tabs.currentWidget(), QScrollArea)
        assert bar.maximum() > 0
        turn_wheel(find(widget.target, "Factor", QAbstractSpinBox))
        assert bar.value() > 0

    def test_edits_the_control_that_has_the_focus(self, shown_viewer):
        shown_viewer.add_image(np.random.default_rng(0).random((9, 8, 9)), scale=(2, 1, 1))
        factor = find(within_reach(shown_viewer).target, "Factor", QAbstractSpinBox)
        activate(shown_viewer)
        factor.setFocus()
        before = factor.value()
        turn_wheel(factor, 1)
        assert factor.value() == before + 1

    def test_guards_what_is_put_in_by_an_event_of_another_kind(self, shown_viewer, monkeypatch):
        widget, added = within_reach(shown_viewer), QSpinBox()
        taken_for = QEvent(QEvent.Type.ChildAdded)  # as PyQt hands on one that lies where an older event lay
        event_filter = WheelGuard.eventFilter
        monkeypatch.setattr(
            WheelGuard,
            "eventFilter",
            lambda self, watched, event: event_filter(
                self, watched, taken_for if event.type() == QEvent.Type.ChildAdded else event
            ),
        )
        added.setParent(widget)
        added.show()
        turn_wheel(added)
        assert added.value() == 0

    def test_guards_the_form_of_a_method_chosen_later(self, shown_viewer):
        widget = within_reach(shown_viewer)
        find(widget.method, "Method").choose("section_sr")
        find(widget.method, "parameters").unfold()
        fields = widget.method.findChildren(QAbstractSpinBox)
        before = [each.value() for each in fields]
        for each in fields:
            turn_wheel(each)
        assert [each.value() for each in fields] == before


class TestRoom:
    def test_each_dock_can_be_low_and_narrow(self, shown_viewer):
        shown_viewer.add_image(np.zeros((4, 9, 9)), name="a stack of which the name is long")
        least = {title: docked(shown_viewer, title).parent().minimumSizeHint() for title in TITLES}
        assert max(each.height() for each in least.values()) <= 240, least
        assert max(each.width() for each in least.values()) <= 260, least

    def test_all_docks_fit_a_small_screen_as_tabs(self, qtbot, shown_viewer):
        window = window_of(shown_viewer)
        window.resize(1280, 800)
        docks = [docked(shown_viewer, title).parent() for title in TITLES]
        qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == len(TITLES) - 1)
        assert (window.minimumSizeHint().height(), window.height()) <= (800, 800)
        assert window.minimumSizeHint().width() <= 1280
        qtbot.waitUntil(lambda: not docks[-1].visibleRegion().isEmpty())

    @pytest.mark.parametrize("title", TITLES)
    def test_a_dock_scrolls_sideways_only_where_it_is_too_narrow(self, qtbot, shown_viewer, title):
        window = window_of(shown_viewer)
        window.resize(1280, 800)
        shown_viewer.add_image(np.random.default_rng(0).random((9, 60, 60)), name="em", scale=(2, 1, 1))
        widget = docked(shown_viewer, title)
        area, dock = widget.tabs.currentWidget(), widget.parent()
        bar, page = area.horizontalScrollBar(), area.widget()
        for width in (widget.wide, 250, widget.wide, 340, widget.wide):
            window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
            QTest.qWait(100)

            def follows(width=width):
                wider = page.minimumSizeHint().width() > area.viewport().width()
                assert (bar.isVisible(), bar.maximum() > 0) == (wider, wider), width

            qtbot.waitUntil(follows)  # a busy machine lays out in its own time
        assert not bar.isVisible()
        window.resize(900, 650)

    def test_with_large_text_too(self, qtbot, shown_viewer):
        settings, window = get_settings().appearance, window_of(shown_viewer)
        usual = settings.font_size
        settings.font_size = round(usual * 1.5)
        window.resize(1280, 800)
        for title in TITLES:
            widget = docked(shown_viewer, title)
            dock, area = widget.parent(), widget.tabs.currentWidget()
            for fold in area.findChildren(Fold):
                fold.unfold()
            window.resizeDocks([dock], [widget.wide], Qt.Orientation.Horizontal)  # earlier tests have left a narrow one
            qtbot.waitUntil(lambda area=area: area.isVisible() and area.horizontalScrollBar().maximum() == 0)
            assert dock.minimumSizeHint().height() <= 240
            assert clipped(area) == []
        assert window.minimumSizeHint().height() <= 800
        settings.font_size = usual
        window.resize(900, 650)

    def test_what_a_first_run_needs_is_in_view(self, qtbot, shown_viewer):
        window = window_of(shown_viewer)
        window.resize(1280, 800)
        shown_viewer.open_sample(PLUGIN, "organoid")
        widget = docked(shown_viewer)
        find(widget.method, "Method").choose("auto")
        QTest.qWait(200)
        area = widget.tabs.currentWidget()
        for inside, name in (
            (widget.stack, "Layer"), (widget.target, "Factor"), (widget.method, "Method"), (widget.method, "Preset"),
            (widget.compute, "score"), (widget.bar, "run"),
        ):  # fmt: skip
            control = find(inside, name)
            assert control.visibleRegion().boundingRect().height() == control.height(), name
        assert area.verticalScrollBar().maximum() == 0
        window.resize(900, 650)

    def test_long_names_are_cut_on_the_button_only(self, viewer):
        widget = docked(viewer)
        viewer.add_image(np.zeros((4, 5, 6)), name="a very long name of R&D that nobody would want to read")
        assert read(widget.bar, "run") == "Run on a very long name of R…"
        viewer.layers[0].name = "R&D"
        assert read(widget.bar, "run") == "Run on R&D"


class TestButtons:
    @pytest.mark.parametrize("title", TITLES)
    def test_stay_where_they_are_whatever_a_dock_does(self, qtbot, shown_viewer, title):
        window_of(shown_viewer).resize(1280, 800)
        bar = docked(shown_viewer, title).bar
        widget, go_on, places, heights = bar.parentWidget(), threading.Event(), [], []

        def work(report):
            report(Progress(0.3, "working on something of which there is more to be said than a line has room for"))
            go_on.wait(10)

        qtbot.waitUntil(lambda: bar.isVisible() and not bar.visibleRegion().isEmpty())
        QTest.qWait(100)
        places.append(places_of_buttons(bar))
        heights.append(widget.tabs.height())
        bar.set_ready(True)
        places.append(places_of_buttons(bar))
        widget.start_job(work, "working", bar.say)
        qtbot.waitUntil(lambda: "room for" in read(bar, "message"))
        places.append(places_of_buttons(bar))
        heights.append(widget.tabs.height())
        go_on.set()
        qtbot.waitUntil(lambda: widget.job is None)
        bar.set_saveable(True)
        bar.say_failed("what failed is said in some lines: " + 20 * "so many words, ")
        places.append(places_of_buttons(bar))
        assert len(places[0]) > 0
        assert heights[0] == heights[1]  # nor does anything above the words move, up to two lines of them
        for each in places[1:]:
            np.testing.assert_array_equal(each, places[0])
        window_of(shown_viewer).resize(900, 650)

    def test_stay_where_they_are_through_a_run(self, qtbot, shown_viewer, slow, tmp_path):
        window_of(shown_viewer).resize(1280, 800)
        widget = docked(shown_viewer)
        opened(widget, tmp_path / "a.tif")
        widget.compute.set_scoring(2)
        choose(widget, method="slow", preset="balanced")
        widget.tabs.setCurrentIndex(1)
        QTest.qWait(100)
        before = places_of_buttons(widget)
        QTest.mouseClick(find(widget.bar, "run"), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "fitting" in read(widget.bar, "message"))
        during = places_of_buttons(widget)
        finish(qtbot, widget)
        assert widget.runs.plot.graph().isVisible()
        for each in (during, places_of_buttons(widget)):
            np.testing.assert_allclose(each, before, atol=1)  # a pixel, from what is rounded
        window_of(shown_viewer).resize(900, 650)

    def test_stay_where_they_are_when_damage_was_found(self, shown_viewer):
        widget = within_reach(shown_viewer, "Repair sections")
        before = places_of_buttons(widget)
        widget.search.say("3 sections are suspected among 40")
        widget.suspects.say("what is to be done is said in two lines: 12 made anew, 3 filled in part, 4 brightened")
        np.testing.assert_array_equal(places_of_buttons(widget), before)


class TestTab:
    @pytest.mark.parametrize("title", TITLES)
    def test_goes_through_all_that_is_shown_and_on(self, shown_viewer, title):
        shown_viewer.add_image(np.random.default_rng(0).random((9, 8, 9)), scale=(2, 1, 1))
        widget = docked(shown_viewer, title)
        activate(shown_viewer)
        QTest.qWait(100)
        first, seen = widget.tabs.tabBar(), []
        first.setFocus()
        while widget.isAncestorOf(QApplication.focusWidget()):
            seen.append(QApplication.focusWidget())
            assert len(seen) < 120, [type(each).__name__ for each in seen[-5:]]
            QTest.keyClick(seen[-1], Qt.Key.Key_Tab)
        assert len(seen) == len(set(seen))
        missed = [
            each
            for each in widget.findChildren(QWidget)
            if each.focusPolicy() & Qt.FocusPolicy.TabFocus and each.focusProxy() is None
            if each.isVisible() and each.isEnabled() and each not in seen
            if each.window() is widget.window()
        ]
        assert [f"{type(each).__name__}: {each.toolTip()}" for each in missed] == []
        assert find(widget.bar, "run") in seen or not find(widget.bar, "run").isEnabled()

    def test_passes_by_what_is_folded(self, viewer):
        widget = docked(viewer)
        viewer.add_image(np.random.default_rng(0).random((5, 8, 9)), scale=(2, 1, 1))
        table = find(widget.stack, "Section depths", QTableWidget)
        assert not table.isVisibleTo(widget)
        press(widget.stack, "Spacing, depths, acquisition, part")
        press(widget.stack, "Depth of each section")
        assert table.isVisibleTo(widget)
        assert not table.tabKeyNavigation()


class TestSelection:
    def test_the_selected_layer_is_the_stack(self, viewer, two_layers):
        first = two_layers[0]
        widget = docked(viewer)
        assert widget.stack.layer.name == "second"
        assert read(widget.bar, "run") == "Run on second"
        viewer.layers.selection.active = first
        assert widget.stack.layer.name == "first"
        assert read(widget.bar, "run") == "Run on first"

    def test_a_stack_that_is_opened_later_too(self, viewer, two_layers, tmp_path):
        widget = docked(viewer)
        sparse_tiff(tmp_path / "new.tif")
        viewer.open(tmp_path / "new.tif", plugin=PLUGIN)
        assert widget.stack.layer.name == "new"

    def test_a_pinned_stack_stays(self, viewer, two_layers):
        first = two_layers[0]
        widget = docked(viewer)
        press(widget.stack, "Pin")
        viewer.layers.selection.active = first
        assert widget.stack.layer.name == "second"
        press(widget.stack, "Pin")
        assert widget.stack.layer.name == "first"

    def test_results_and_labels_are_not_followed(self, qtbot, viewer, two_layers):
        widget = docked(viewer)
        done = run(qtbot, widget, method="linear", factor=2)
        assert viewer.layers.selection.active == done.layers[0]
        assert widget.stack.layer.name == "second"
        viewer.layers.selection.active = viewer.add_labels(np.zeros((5, 8, 9), int))
        assert widget.stack.layer.name == "second"


class TestKeys:
    def test_are_in_the_shortcut_editor(self, viewer):
        docked(viewer)
        for each in SHORTCUTS:
            assert action_manager._actions[f"{PLUGIN}:{each.name}"].description == each.description

    def test_run_and_cancel(self, qtbot, shown_viewer, tmp_path):
        widget = docked(shown_viewer)
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        find(widget.method, "Method").choose("linear")
        QTest.keyClick(find(widget.target, "Factor"), Qt.Key.Key_Return, CTRL)
        qtbot.waitUntil(lambda: len(widget.runs.runs) == 1)
        QTest.keyClick(find(widget.bar, "run"), Qt.Key.Key_Return, CTRL | SHIFT)
        qtbot.waitUntil(lambda: "a linear preview" in shown_viewer.layers)

    def test_reach_the_dock_in_view(self, qtbot, shown_viewer):
        shown_viewer.add_image(np.random.default_rng(0).random((9, 8, 9)), scale=(2, 1, 1))
        below, above = docked(shown_viewer), docked(shown_viewer, "Compare methods")
        window = window_of(shown_viewer)
        qtbot.waitUntil(lambda: above.parent() in window.tabifiedDockWidgets(below.parent()))
        qtbot.waitUntil(lambda: not above.visibleRegion().isEmpty() and below.visibleRegion().isEmpty())
        activate(shown_viewer)
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return, CTRL)
        qtbot.waitUntil(lambda: above.job is not None or above.scores.comparison is not None)
        assert below.job is None
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Period, CTRL)
        qtbot.waitUntil(lambda: above.job is None, timeout=20_000)


def test_files_may_be_dropped_anywhere_on_the_dock(viewer, tmp_path):
    widget = docked(viewer)
    sparse_tiff(tmp_path / "a.tif")
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.tif"))])
    button, key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, files, button, key)
    widget.dragEnterEvent(enter)
    assert enter.isAccepted()
    widget.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, files, button, key))
    assert widget.stack.layer.name == "a"


def test_headings_of_folds_say_what_is_set(viewer, tmp_path):
    widget = docked(viewer)
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    find(widget.stack, "Z spacing").setText("3um")
    find(widget.compute, "Device").setCurrentText("cpu")
    find(widget.compute, "Memory").setText("8GB")
    assert widget.settings().memory == "8GB"
    headings = [each.heading.text() for each in widget.findChildren(Fold)]
    assert "Spacing, depths, acquisition, part: z spacing 3um" in headings
    assert "Device, memory, range: cpu, 8GB" in headings


def test_methods_are_loaded_when_the_list_is_looked_through(viewer):
    [box] = docked(viewer).method.findChildren(MethodChoice)
    assert box.count() == 1
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.count() > len(registry.names())  # and their headings
    assert box.currentData() == "cubic"


def test_methods_stand_in_groups_with_a_line_each(viewer):
    box = find(docked(viewer).method, "Method")
    texts = [box.itemText(i) for i in range(box.count())]
    headings = [text for i, text in enumerate(texts) if not box.model().item(i).isEnabled()]
    assert headings == ["For any stack", "For noisy sections", "For projections", "Need a trained model"]
    assert texts.index("Need a trained model") < texts.index("3-D RRDB-GAN along z")
    assert texts.index("For projections") < texts.index("MicroDiffusion") < texts.index("Need a trained model")


def test_the_docks_are_closed_one_by_one(qtbot, shown_viewer):
    """A dock that was one of several tabs leaves the others usable."""
    docks = [docked(shown_viewer, title) for title in TITLES[:2]]
    window = window_of(shown_viewer)
    qtbot.waitUntil(lambda: docks[1].parent() in window.tabifiedDockWidgets(docks[0].parent()))
    shown_viewer.window.remove_dock_widget(docks[1])
    assert isinstance(docks[0].parent(), QDockWidget)
    qtbot.waitUntil(lambda: not docks[0].visibleRegion().isEmpty())
