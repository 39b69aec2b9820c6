"""Find the controls of a widget as a user does, by what they are called, and drive them by events.

A control is called what its text, its label in the form or its accessible name says. What has none of these, such as a
line of words, or a text that changes, such as the button that runs and cancels, is called by its object name.
"""

import re
from itertools import pairwise

import pyqtgraph as pg
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QCheckBox, QLabel, QLineEdit, QWidget

from napari_depth_interp.plugin.boxes.config_form import ConfigForm
from napari_depth_interp.plugin.boxes.depths_table import DepthsTable
from napari_depth_interp.plugin.boxes.method_choice import MethodChoice
from napari_depth_interp.plugin.compare.methods_box import MethodRow
from napari_depth_interp.plugin.folding import Fold

_DELETED = int(getattr(QEvent.Type.DeferredDelete, "value", QEvent.Type.DeferredDelete))


def find(inside, name, kind=QWidget):
    """Return the one control of this name and kind inside a widget; of a field made of parts, the whole field."""
    forget_deleted()
    found = _found(inside, name, kind)
    if not found:  # in what is folded away, and made when it is unfolded
        for form in inside.findChildren(ConfigForm) + inside.findChildren(DepthsTable):
            form.build()
        found = _found(inside, name, kind)
    assert len(found) == 1, f"{len(found)} controls are called '{name}' in {type(inside).__name__}"
    if isinstance(found[0], MethodChoice):
        found[0].fill()  # as it is once it was opened
    return found[0]


def _found(inside, name, kind):
    labels = {label.buddy(): label.text() for label in inside.findChildren(QLabel) if label.buddy() is not None}
    found = [each for each in inside.findChildren(kind) if name in _names(each, labels)]
    return [each for each in found if not any(above in found for above in _above(each))]


def forget_deleted():
    """Let go what is about to be deleted: a form that has been replaced is not there for a user."""
    QCoreApplication.sendPostedEvents(None, _DELETED)


def _above(control):
    """Yield the parents, of a list's popup, too, which is a window of its own."""
    while (control := control.parentWidget()) is not None:
        yield control


def _names(control, labels):
    text = without_mnemonic(control.text()) if isinstance(control, QAbstractButton) else ""
    return {text, control.accessibleName(), control.objectName(), labels.get(control, "")} - {""}


def read(inside, name):
    """Return the text that a label, a button or a line shows."""
    control = find(inside, name)
    return without_mnemonic(control.text()) if isinstance(control, QAbstractButton) else control.text()


def without_mnemonic(text):
    """Return a button's text as it is read: without the mark of the letter that presses it."""
    return re.sub("&(.)", r"\1", text)


def heading(inside):
    """Return what the heading of a fold says."""
    return inside.findChild(Fold).heading.text()


def front_page(widget):
    """Return the page of a dock that is in front."""
    return widget.tabs.currentWidget().widget()


def shows(inside, name):
    """Return whether a control is shown wherever its widget is, once what it lies in is unfolded."""
    control = find(inside, name)
    up = list(_above(control))
    top = next((each for each, over in pairwise(up) if isinstance(over, Fold)), inside)
    return control.isVisibleTo(top)


def press(inside, name):
    """Press a button with the space bar; it must be one that can be pressed."""
    button = find(inside, name, QAbstractButton)
    assert button.isEnabled(), button.toolTip()
    QTest.keyClick(button, Qt.Key.Key_Space)


def tick(inside, name, on=True):
    """Tick a box, or take its tick away, with the space bar."""
    if find(inside, name, QAbstractButton).isChecked() != on:
        press(inside, name)
    assert find(inside, name, QAbstractButton).isChecked() == on


def enter(inside, name, text):
    """Type a text or a number over what a field holds."""
    type_over(find(inside, name), str(text))


def type_over(field, text):
    """Type a text over what a line or a spin box holds; of a field that may be empty, tick its box first."""
    if not isinstance(field, QAbstractSpinBox | QLineEdit):
        box = field.findChild(QCheckBox)
        if not box.isChecked():
            QTest.keyClick(box, Qt.Key.Key_Space)
        field = field.findChild(QAbstractSpinBox) or field.findChild(QLineEdit)
    field.selectAll()
    QTest.keyClick(field, Qt.Key.Key_Delete)
    QTest.keyClicks(field, text)


def entries(inside, name):
    """Return the texts of a list of choices."""
    box = find(inside, name)
    return [box.itemText(i) for i in range(box.count())]


def pick(inside, name, entry):
    """Choose from a list of choices, by an entry's text or by what it stands for.

    Set where the list's popup sets it: the popup is a window of its own, and system dependent.
    """
    box = find(inside, name)
    place = max(box.findText(entry), box.findData(entry))
    assert place >= 0, f"'{entry}' is not among {entries(inside, name)}"
    box.setCurrentIndex(place)


def column_texts(table, column):
    """Return the texts of one column of a table."""
    return [table.item(row, column).text() for row in range(table.rowCount())]


def row_texts(table, row):
    """Return the texts of one row of a table."""
    return [table.item(row, column).text() for column in range(table.columnCount())]


def focus_chain(widget):
    """Return what the Tab key goes through, in its order."""
    chain, each = [], widget.nextInFocusChain()
    while each is not widget:
        chain.append(each)
        each = each.nextInFocusChain()
    return chain


# Forms and lists of methods


def form_of(inside):
    """Return the form of parameters."""
    forget_deleted()
    [form] = inside.findChildren(ConfigForm)
    form.build()
    return form


def parameter(inside, name):
    """Return the field of a parameter, found by its title."""
    form = form_of(inside)
    return find(form, type(form.config()).model_fields[name].title or name)


def method_rows(box):
    """Return the rows of the methods that are compared."""
    forget_deleted()
    return box.findChildren(MethodRow)


# Plots


def graph(plot):
    """Return where a plot draws."""
    return plot.graph()


def drawn_curves(plot):
    """Return name -> (x, y) of what a plot shows."""
    return {item.name(): item.getData() for item in graph(plot).listDataItems()}


def cursor_at(plot):
    """Return where the line of the section in view stands."""
    [line] = [item for item in graph(plot).getPlotItem().items if isinstance(item, pg.InfiniteLine)]
    return line.value()


def point_labels(plot):
    """Return the names that stand beside the points of a plot."""
    return [item.toPlainText() for item in graph(plot).getPlotItem().items if isinstance(item, pg.TextItem)]
