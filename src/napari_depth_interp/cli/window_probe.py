"""Starts Qt as napari does and tells how far it came; run in a process of its own, which may crash."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ..system.probing import tell


def main() -> int:
    """Tell the binding, Qt and its plugins, the platform that was started, and OpenGL."""
    try:
        qtpy = import_module("qtpy")
        core = import_module("qtpy.QtCore")
        _tell_binding(qtpy, core)
        application = import_module("qtpy.QtWidgets").QApplication([])
        tell(platform=application.platformName())
        tell(opengl=_opengl(import_module("qtpy.QtGui")))
    except Exception as error:  # its last line is what the doctor shows
        print(" ".join(str(error).split()) or type(error).__name__, file=sys.stderr)
        return 1
    return 0


def _tell_binding(qtpy: Any, core: Any) -> None:
    version = qtpy.PYQT_VERSION or qtpy.PYSIDE_VERSION
    info = core.QLibraryInfo
    plugins = info.path(info.LibraryPath.PluginsPath) if hasattr(info, "path") else info.location(info.PluginsPath)
    tell(binding=f"{qtpy.API_NAME} {version}", qt=info.version().toString(), plugins=plugins)


def _opengl(gui: Any) -> str | None:
    """Return the version and the renderer of OpenGL, or None if no context can be made."""
    context, surface = gui.QOpenGLContext(), gui.QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return None
    gl = import_module("vispy.gloo.gl")  # what napari draws with
    return f"{gl.glGetParameter(gl.GL_VERSION)}, {gl.glGetParameter(gl.GL_RENDERER)}"


if __name__ == "__main__":
    sys.exit(main())
