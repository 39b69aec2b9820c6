"""Two faults of vispy that end napari with a segmentation fault in Mesa, after layers have been removed.

Vertex arrays stay switched on: vispy switches a program's arrays on when it draws and never off. When a layer is
removed, its buffers are deleted, and OpenGL lets arrays that are still on read from address 0 instead. Mesa reads them
with the next drawing, whether its program needs them or not. So they are switched off.

Programs are deleted while the context of another canvas, most often Qt's own, is current. Mesa then leaves it to the
context that drew with them, which does it at its next flush, takes the vertex shader in use away with them and does not
notice: the next drawing has none, if it is with the same program as the last one. One layer without words in the canvas
is enough. So they are deleted after the next drawing, in the context that drew.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary


@cache
def keep_from_crashing() -> None:
    """Let vispy clear away after each drawing; a vispy of other insides stays as it is."""
    from vispy.gloo import gl, glir
    from vispy.gloo.gl import gl2

    # Looked up now: later a thread that loads torch's libraries may hold the lock of the system's loader for long.
    getattr(getattr(gl2, "_lib", None), "glDisableVertexAttribArray", None)
    program = glir.GlirProgram
    after, delete = getattr(program, "_post_draw", None), getattr(program, "delete", None)
    if after is None or delete is None:
        return
    waiting: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()  # what each canvas has yet to delete

    def clear_away(self: Any) -> None:
        for buffer, place, *_ in self._attributes.values():
            if buffer:
                gl.glDisableVertexAttribArray(place)
        after(self)
        for each in waiting.pop(self._parser, ()):
            delete(each)

    def delete_later(self: Any) -> None:
        waiting.setdefault(self._parser, []).append(self)

    program._post_draw, program.delete = clear_away, delete_later
