"""Error messages of the core in the words of the window: fields instead of options."""

from __future__ import annotations

import re

from ...errors import MissingSpacingError

_FIELDS = {
    "z-spacing": "'z spacing'",
    "depths": "'Section depths'",
    "acquisition": "'acquisition'",
    "factor": "the target 'Factor'",
    "spacing": "the target 'Spacing'",
    "isotropic": "the target 'Isotropic'",
    "data-range": "'data range'",
    "channel": "channel",
    "method": "'Method'",
    "preset": "'preset'",
}


def for_window(error: Exception) -> str:
    """Return what an error says, with the names that the user sees in the window."""
    if isinstance(error, MissingSpacingError):
        return "the file does not say how far apart the sections are; type it into 'z spacing', for example 2um"
    return re.sub(r"--([a-z-]+)", lambda match: _FIELDS.get(match[1], match[0]), str(error))
