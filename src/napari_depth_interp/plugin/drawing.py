"""A fault of vispy that ends napari: vertex arrays that stay switched on after a drawing.

vispy switches a program's vertex arrays on when it draws and never off. When a layer is removed, its buffers are
deleted, and OpenGL lets arrays that are still on read from address 0 instead. Mesa reads them with the next drawing,
whether its program needs them or not: a segmentation fault after several layers have been removed at once. So they are
switched off.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def switch_arrays_off() -> None:
    """Let vispy switch the vertex arrays of each drawing off after it; a vispy of other insides stays as it is."""
    from vispy.gloo import gl, glir
    from vispy.gloo.gl import gl2

    # Looked up now: later a thread that loads torch's libraries may hold the lock of the system's loader for long.
    getattr(getattr(gl2, "_lib", None), "glDisableVertexAttribArray", None)
    program = glir.GlirProgram
    after = getattr(program, "_post_draw", None)
    if after is None:
        return

    def off(self: Any) -> None:
        for buffer, place, *_ in self._attributes.values():
            if buffer:
                gl.glDisableVertexAttribArray(place)
        after(self)

    program._post_draw = off
