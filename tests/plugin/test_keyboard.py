"""The widgets by keyboard and by ear: every field has a name, and Tab follows the eye."""

import pytest
from controls import find, focus_chain, form_of, parameter, pick
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QAbstractItemView, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QTextEdit

from napari_depth_interp.plugin.folding import Fold

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
FIELDS = (QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QTextEdit)


@pytest.fixture(autouse=True)
def _models(models_home):
    """No models of the user."""


@pytest.mark.parametrize("title", TITLES)
def test_every_field_has_a_name(viewer, title):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
    labelled = {label.buddy() for label in widget.findChildren(QLabel)}
    nameless = [
        field
        for kind in FIELDS
        for field in widget.findChildren(kind)
        if field.window() is widget.window()
        and field.focusPolicy() & Qt.FocusPolicy.TabFocus
        and field.focusProxy() is None
        and not field.accessibleName()
        and field not in labelled
    ]
    QThreadPool.globalInstance().waitForDone(30_000)  # the first search for a GPU imports torch
    assert [f"{type(field.parent()).__name__}: {field.toolTip()}" for field in nameless] == []


def test_tab_reaches_the_parameters_of_a_method_chosen_later(viewer):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
    box, enhance, no_focus = widget.method, widget.enhance, Qt.FocusPolicy.NoFocus
    pick(box, "Method", "section_sr")
    enhance.findChild(Fold).unfold()  # its methods are listed then
    pick(enhance, "Enhance the sections first", "srcnn")
    for fold in box.findChildren(Fold) + enhance.findChildren(Fold):
        fold.unfold()
    chain = focus_chain(widget)
    fields = [
        [field for name in form_of(each).fields if (field := parameter(each, name)).focusPolicy() != no_focus]
        for each in (box, enhance)
    ]
    expected = [
        find(box, "Method"),
        *fields[0],
        find(box, "Restore defaults"),
        find(widget.compute, "Device"),
        find(enhance, "Enhance the sections first"),
        *fields[1],
    ]
    places = [chain.index(part) for part in expected]
    assert places == sorted(places)
