"""Clicks and seconds from starting napari to the first result and to the saved file, by a scripted hand.

A new process starts napari and does what a user does: opens the dock from the menu Plugins, drops a file onto it,
chooses a method, clicks Run, clicks "Save result", types a name. Every click and key goes through Qt's events to the
real window but for three, which count as clicks: the answer of the system's file dialog, the file that is dropped (the
dock is handed the drop), and the opening of the list of methods.

Run it on a screen, or ``scripts/with-display.sh .venv/bin/python benchmarks/first_result.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _tools import machine, markdown_table

_LONGEST = 1800.0
"""Seconds that are waited for a result."""
_PAUSE = 0.02


class Hand:
    """Clicks, and counts clicks and keys.

    Parameters
    ----------
    started : float
        When the program was started, on the clock of :func:`time.time`.
    """

    def __init__(self, started: float) -> None:
        self.clicks = self.keys = 0
        self._started = started

    def click(self, widget: Any, place: Any = None) -> None:
        """Press and release the left button over a widget, in its middle unless told where."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        press: Any = QTest.mouseClick  # PyQt6's stubs take a static function for a method
        press(widget, Qt.MouseButton.LeftButton, pos=place or widget.rect().center())
        self.clicks += 1

    def drop(self, widget: Any, path: Path) -> None:
        """Drop a file onto a widget."""
        from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
        from qtpy.QtGui import QDropEvent

        files = QMimeData()
        files.setUrls([QUrl.fromLocalFile(str(path))])
        button, key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        middle = QPointF(widget.rect().center())
        widget.dropEvent(QDropEvent(middle, Qt.DropAction.CopyAction, files, button, key))
        self.clicks += 1

    def menu(self, bar: Any, *names: str) -> None:
        """Click through a menu."""
        from qtpy.QtWidgets import QApplication

        for name in names:
            action = next(each for each in bar.actions() if each.text().replace("&", "").startswith(name))
            self.click(bar, bar.actionGeometry(action).center())
            below = action.menu()
            if below is not None:
                bar = below
                wait_until(below.isVisible, 10)
        while (popup := QApplication.activePopupWidget()) is not None:  # a hand's click closes them, a test's may not
            popup.close()

    def row(self, what: str) -> list[str]:
        """Return a line of the table for where the session is now."""
        return [
            what,
            str(self.clicks),
            str(self.keys),
            f"{time.time() - self._started:.1f}",
            f"{time.process_time():.1f}",
        ]


def wait_until(condition: Callable[[], bool], seconds: float = _LONGEST) -> None:
    """Run the event loop until the condition holds."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"still waiting after {seconds:g} s")
        QApplication.processEvents()
        time.sleep(_PAUSE)


def find(inside: Any, kind: Any, name: str) -> Any:
    """Return a control by its object's name or by what it is called for those who cannot see it."""
    return next(each for each in inside.findChildren(kind) if name in (each.objectName(), each.accessibleName()))


def session(stack: Path, method: str, started: float) -> None:
    """Play the session and print a line after each step."""
    import napari
    from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton

    from napari_depth_interp.plugin.interpolate import DepthInterpolation

    hand, steps = Hand(started), []
    viewer = napari.Viewer(show=True)
    wait_until(lambda: viewer.window._qt_window.isVisible())
    steps.append(hand.row("napari is open"))
    hand.menu(viewer.window._qt_window.menuBar(), "Plugins", "Depth interpolation", "Depth interpolation")
    wait_until(lambda: bool(viewer.window._qt_window.findChildren(DepthInterpolation)))
    [dock] = viewer.window._qt_window.findChildren(DepthInterpolation)
    steps.append(hand.row("the dock is open"))
    hand.drop(dock, stack)
    wait_until(lambda: len(viewer.layers) == 1 and find(dock.bar, QPushButton, "run").isEnabled())
    steps.append(hand.row("the stack is open"))
    box = find(dock.method, QComboBox, "Method")
    if box.currentData() != method:
        box.showPopup()  # what a click does; sent by a test it closes the list again
        hand.clicks += 1
        index = box.model().index(box.findData(method), 0)
        box.view().scrollTo(index)
        hand.click(box.view().viewport(), box.view().visualRect(index).center())
        box.hidePopup()
        wait_until(lambda: box.currentData() == method)
    hand.click(find(dock.bar, QPushButton, "run"))
    wait_until(lambda: len(viewer.layers) == 2)
    wait_until(lambda: dock.job is None)
    steps.append(hand.row("the result is in view"))
    target = stack.with_name("dense.tif")

    def answer(*_: object) -> tuple[str, str]:
        hand.clicks, hand.keys = hand.clicks + 1, hand.keys + len(target.name)
        return str(target), "TIFF (*.tif)"

    # Another dialog on each system: a name is typed and Save is clicked.
    QFileDialog.getSaveFileName = answer  # type: ignore[method-assign,assignment]
    hand.click(find(dock.bar, QPushButton, "save result"))
    wait_until(lambda: target.exists() and dock.job is None)
    steps.append(hand.row("the file is saved"))
    print(markdown_table([f"method {method}: until ...", "clicks", "keys", "s", "processor s"], steps))
    viewer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--methods", nargs="+", default=["linear", "auto"])
    parser.add_argument("--shape", type=int, nargs=3, default=(40, 256, 256), help="of the stack that is dropped")
    parser.add_argument("--play", nargs=3, metavar=("STACK", "METHOD", "STARTED"), help="only play the session")
    options = parser.parse_args()
    if options.play:
        session(Path(options.play[0]), options.play[1], float(options.play[2]))
        return
    from napari_depth_interp import io
    from napari_depth_interp.simulate import simulate

    print(machine())
    for method in options.methods:
        with tempfile.TemporaryDirectory() as folder:
            stack = Path(folder, "stack.tif")
            io.write(stack, simulate("organoid", shape=tuple(options.shape), voxel_size=(2.0, 0.5, 0.5)).observed)
            command = [sys.executable, __file__, "--play", str(stack), method, str(time.time())]
            fresh = os.environ | {"XDG_CONFIG_HOME": folder, "NAPARI_CONFIG": str(Path(folder, "napari.yaml"))}
            print(subprocess.run(command, check=True, capture_output=True, text=True, env=fresh).stdout)


if __name__ == "__main__":
    main()
