"""The first tutorial names what is in the window as the window does."""

import re
from pathlib import Path

from controls import find, press, without_mnemonic
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QGroupBox, QMainWindow, QTabWidget

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-stack.md"
PLUGIN = "napari-depth-interp"


def words_of(widget):
    """Return what stands on buttons, groups, tabs and in lists of choices, without the marks of mnemonics."""
    found = [each.text() for each in widget.findChildren(QAbstractButton)]
    found += [each.title() for each in widget.findChildren(QGroupBox)]
    found += [each.tabText(i) for each in widget.findChildren(QTabWidget) for i in range(each.count())]
    found += [each.itemText(i) for each in widget.findChildren(QComboBox) for i in range(each.count())]
    return {without_mnemonic(text) for text in found}


def menu_entry(menu, names):
    """Go through menus, by how their entries begin, to the entry that is named last; None if there is no such."""
    for name in names:
        actions = {without_mnemonic(each.text()): each for each in menu.actions()}
        found = next((each for text, each in actions.items() if text.startswith(name)), None)
        if found is None or found.menu() is None:
            return found
        menu = found.menu()
    return None


def test_what_is_named_is_there(qtbot, viewer, slow):
    text = TUTORIAL.read_text()
    viewer.open_sample(PLUGIN, "organoid")
    widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")[1]
    widget.method.set_values(widget.settings().model_copy(update={"method": "slow"}))
    find(widget.method, "Method")  # which looks the list of methods through
    shown = words_of(widget)
    press(widget.bar, "run")
    shown |= words_of(widget)  # Run has become Cancel
    widget.cancel()
    qtbot.waitUntil(lambda: widget.job is None)
    named = [each.removesuffix(" 2").removesuffix(" …") for each in re.findall(r"\*\*(.+?)\*\*", text)]
    assert len(named) > 12
    assert [each for each in named if not any(words.startswith(each) for words in shown)] == []
    for each in ("Automatic", "Linear", "Runs and scores", "fast"):
        assert f"*{each}*" in text
        assert each in shown
    assert "16 sections along z, 4 um apart" in find(widget.stack, "summary").text()
    assert "61 sections, 1 um apart, out of 16 that were 4 um apart" in text
    assert find(widget.target, "summary").text().startswith("16 → 61 sections, 1 um apart")


def test_menus_lead_where_it_says(viewer):
    window = next(each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow))
    for path in re.findall(r"\*((?:File|Plugins) > [^*]+)\*", TUTORIAL.read_text()):
        names = path.split(" > ")
        bar = next(each.menu() for each in window.menuBar().actions() if without_mnemonic(each.text()) == names[0])
        bar.aboutToShow.emit()
        assert menu_entry(bar, names[1:]) is not None, path
