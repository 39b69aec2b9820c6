"""What the boxes are made of."""

import pytest
from qtpy.QtWidgets import QFormLayout, QLineEdit, QWidget

from napari_depth_interp.plugin.qt_helpers import show_row


class FormOfQt5(QFormLayout):
    """Without what Qt has since 6.4."""

    @property
    def setRowVisible(self):  # noqa: N802
        raise AttributeError


@pytest.mark.parametrize("kind", [QFormLayout, FormOfQt5])
def test_a_row_is_hidden_with_its_label_and_takes_no_room(qtbot, kind):
    window = QWidget()
    qtbot.addWidget(window)
    form, every, sections = kind(window), QLineEdit(), QLineEdit()
    form.addRow("Every", every)
    form.addRow("Sections", sections)
    window.show()
    both = form.sizeHint().height()
    show_row(form, every, False)
    assert not every.isVisible()
    assert not form.labelForField(every).isVisible()
    assert sections.isVisible()
    assert form.sizeHint().height() < both - every.sizeHint().height() // 2
    show_row(form, every, True)
    assert every.isVisible()
    assert form.labelForField(every).isVisible()
    assert form.sizeHint().height() == both
