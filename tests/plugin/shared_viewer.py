"""Napari viewers for many tests: opening and closing one takes longer than most tests do.

It is what pytest's fixture of napari makes, with a wider scope. After each test the docks are closed, the layers
removed and the view put back, and what a dock has left behind is an error.
"""

import gc
from contextlib import ExitStack
from unittest.mock import patch

import napari
from app_model import Application
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_viewer import QtViewer
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

_DELETED = int(getattr(QEvent.Type.DeferredDelete, "value", QEvent.Type.DeferredDelete))
_CALLBACKS = ("mouse_move_callbacks", "mouse_drag_callbacks", "mouse_wheel_callbacks", "mouse_double_click_callbacks")


def _settings():
    """Return napari's settings, without the docks that it saw open on the right, where they open by themselves."""
    found = get_settings().model_dump()
    places = found["application"].pop("plugin_widget_positions")
    return found, {name: place for name, place in places.items() if place != "right"}


def _console(*_):
    widget = QWidget()
    widget._update_theme = lambda *_: None
    return widget


class SharedViewer:
    """The viewers, one that is never shown and one on the screen, each opened when it is first asked for.

    The one that is not in use is set aside: opening another one with each change takes seconds.
    """

    def __init__(self):
        self._viewers, self._shown, self._patches = {}, False, ExitStack()
        self._own, self._state, self._settings, self._kept = {}, {}, {}, {}

    @property
    def _viewer(self):
        return self._viewers.get(self._shown)

    def get(self, *, show=False):
        """Return the viewer as a plugin sees it, on the screen or not."""
        if self._kept:
            self.tidy()
        if self._shown != show:
            self._set_aside()
            self._shown = show
        if self._viewer is None:
            self._open(show)
        else:
            self._take_up()
        return PublicOnlyProxy(self._viewer)

    def keep(self, key, make):
        """Return what ``make(viewer)`` has put into the hidden viewer, or had for an earlier test that left it."""
        if self._shown or key not in self._kept:
            viewer = self.get()
            try:
                self._kept = {key: make(viewer)}
            except BaseException:
                self.close()
                raise
        return self._kept[key]

    def _open(self, show):
        if not self._viewers:
            self._begin()
        self._viewers[show] = viewer = napari.Viewer(show=show, show_welcome_screen=False)
        if show:
            QTest.qWaitForWindowExposed(viewer.window._qt_window)
            viewer.window.resize(900, 650)  # drawn by software, each pixel costs time
        else:  # it looks at each event of Qt's, for a menu that shows when the mouse comes near
            QApplication.instance().removeEventFilter(viewer.window._qt_window)
            self._undress()
        gc.collect()
        gc.freeze()  # napari collects garbage whenever a layer is removed; what stays need not be looked through
        self._own[show] = self._callbacks()
        self._state[show] = {"theme": viewer.theme, "title": viewer.title}

    def _undress(self):
        """Take the style sheets off a window that nobody sees: Qt matches them with all that is added."""
        window = self._viewer.window
        for each in (window._qt_window, window._qt_viewer):
            if each.styleSheet():  # again, where a test has changed the theme
                each.setStyleSheet("")

    def _set_aside(self):
        if self._viewer is not None and self._shown:
            self._viewer.window._qt_window.hide()
            QApplication.instance().removeEventFilter(self._viewer.window._qt_window)

    def _take_up(self):
        """Let it be the current viewer, and on the screen if it was."""
        window = self._viewer.window._qt_window
        windows = type(window)._instances
        windows.append(windows.pop(windows.index(window)))
        if self._shown and not window.isVisible():
            QApplication.instance().installEventFilter(window)
            self._viewer.window.show()
            QTest.qWaitForWindowExposed(window)

    def _begin(self):
        """Prepare napari for the first viewer."""
        app = NapariApplication("test_app")
        app.injection_store.namespace = _napari_names
        self._patches.callback(self._forget_application)
        for each in (
            patch.object(NapariApplication, "get_app_model", return_value=app),
            patch("napari._qt.threads.status_checker.StatusChecker.start", lambda *_: None),
            patch("napari._qt.qt_viewer.QtViewer._get_console", _console),
        ):
            self._patches.enter_context(each)
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()
        get_settings().reset()
        self._settings = _settings()

    @staticmethod
    def _forget_application():
        Application.destroy("test_app")
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()

    def _callbacks(self):
        return {name: list(getattr(self._viewer, name)) for name in _CALLBACKS}

    def tidy(self):
        """Close all docks, remove all layers, put the view back; what is left is an error."""
        viewer, self._kept = self._viewer, {}
        if viewer is None:
            return
        viewer.window.remove_dock_widget("all")
        viewer.layers.clear()
        viewer.dims.ndisplay = 2
        for name, value in self._state[self._shown].items():
            setattr(viewer, name, value)
        if _settings() != self._settings:  # resetting takes longer
            get_settings().reset()
        if not self._shown:
            self._undress()
        QCoreApplication.sendPostedEvents(None, _DELETED)
        left = {name: found for name, found in self._callbacks().items() if found != self._own[self._shown][name]}
        overlay = viewer.canvas.overlays.text
        left |= {"text overlay": overlay.text} if overlay.visible else {}
        assert not left, f"a dock has left behind {left}"
        gc.freeze()  # what has been imported since

    def close(self):
        """Close the viewers; the next test gets a new one."""
        if not self._viewers:
            return
        for viewer in self._viewers.values():
            with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
                viewer.close()
        self._viewers, self._kept = {}, {}
        self._patches.close()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        QtViewer._instances.clear()
