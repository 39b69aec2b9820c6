"""What the docks do by keyboard: actions that napari's shortcut editor lists and lets change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from napari import Viewer
from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication, QWidget


@dataclass(frozen=True)
class Shortcut:
    """An action of a dock: how it is called in napari, what it does, its key, and the method that does it.

    One ``on_labels`` is a key of a selected Labels layer, which the method is given; the dock need not be in view.
    """

    name: str
    description: str
    key: str
    does: str
    on_labels: bool = False


SHORTCUTS = (
    Shortcut("run", "Depth interpolation: run", "Control-Enter", "run"),
    Shortcut("cancel", "Depth interpolation: cancel the run", "Control-.", "cancel"),
    Shortcut("preview", "Depth interpolation: preview the gap in view", "Control-Shift-Enter", "preview"),
    Shortcut("save", "Depth interpolation: save the result", "Control-Alt-S", "ask_save_result"),
    Shortcut("next-hidden", "Depth interpolation: next hidden section", "Control-Alt-N", "next_hidden"),
    Shortcut("previous-hidden", "Depth interpolation: previous hidden section", "Control-Alt-P", "previous_hidden"),
    Shortcut("flicker", "Depth interpolation: truth and result by turns", "Control-Alt-F", "flicker"),
    Shortcut("find-damage", "Repair sections: find damaged sections", "Control-Alt-D", "find_damage"),
    Shortcut(
        "fill-labels", "Interpolate labels: fill the gap around the view", "Control-Shift-I", "fill_around_view", True
    ),
)
_PACKAGE = "napari-depth-interp"
_docks: WeakSet[QWidget] = WeakSet()


def listen(dock: QWidget) -> None:
    """Let the shortcuts reach a dock while it is shown."""
    _register()
    _docks.add(dock)


def forget(dock: QWidget) -> None:
    """Let the shortcuts reach a dock no longer."""
    _docks.discard(dock)


def key_of(does: str) -> str:
    """Return the keys of an action as the user has set them, as people read them."""
    from napari.utils.interactions import Shortcut as Words

    [found] = [each for each in SHORTCUTS if each.does == does]
    return " or ".join(str(Words(key)) for key in _keys(found))


def _register() -> None:
    for each in SHORTCUTS:
        name = f"{_PACKAGE}:{each.name}"
        if name in action_manager._actions:  # napari has no public way to ask
            continue
        action_manager.register_action(name, _command(each), each.description, Labels if each.on_labels else Viewer)
        for key in _keys(each):
            action_manager.bind_shortcut(name, key)


def _keys(shortcut: Shortcut) -> list[Any]:
    chosen = get_settings().shortcuts.shortcuts.get(f"{_PACKAGE}:{shortcut.name}")
    return [shortcut.key] if chosen is None else list(chosen)


def _command(shortcut: Shortcut) -> Callable[..., None]:
    def command(viewer: Viewer) -> None:
        _send(viewer, shortcut.does)

    def on_labels(layer: Labels) -> None:
        _send_layer(layer, shortcut.does)

    chosen: Callable[..., None] = on_labels if shortcut.on_labels else command
    chosen.__name__ = f"depth_interp_{shortcut.name.replace('-', '_')}"  # napari tells commands apart by it
    return chosen


def _send_layer(layer: Labels, does: str) -> None:
    """Let a dock of the layer's viewer do it, one that is shown before others."""
    able = [dock for dock in _that_can(does) if layer in dock.viewer.layers]
    if able:
        getattr(max(able, key=lambda dock: dock.isVisible()), does)(layer)


def _send(viewer: Viewer, does: str) -> None:
    """Let the dock that has the focus do it, otherwise one of this viewer that is in view."""
    able = [dock for dock in _that_can(does) if _is_in_view(dock, viewer)]
    focus = QApplication.focusWidget()
    able.sort(key=lambda dock: focus is not None and dock.isAncestorOf(focus))
    if able:
        getattr(able[-1], does)()


def _that_can(does: str) -> list[Any]:
    living = (dock for dock in _docks if isalive(dock))  # type: ignore[no-untyped-call,unused-ignore]
    return [dock for dock in living if hasattr(dock, does)]


def _is_in_view(dock: Any, viewer: Viewer) -> bool:
    own = getattr(dock.viewer, "__wrapped__", dock.viewer)  # a plugin is given a proxy
    return own is viewer and dock.isVisible() and not dock.visibleRegion().isEmpty()
