"""Error messages of the core in the words of the window: fields instead of options."""

from __future__ import annotations

import re

from ...errors import MissingSpacingError

_FIELDS = {
    "z-spacing": "'z spacing'",
    "depths": "'Depth of each section'",
    "acquisition": "'Acquisition'",
    "factor": "the target 'Factor'",
    "thickness": "'Thickness'",
    "spacing": "the target 'Spacing'",
    "isotropic": "the target 'Isotropic'",
    "data-range": "'Data range'",
    "channel": "channel",
    "crop": "'Part'",
    "times": "'Time points'",
    "exclude": "'Exclude sections'",
    "method": "'Method'",
    "preset": "'Preset'",
    "enhance": "'Enhancement'",
    "enhance-param": "the parameters of 'Enhancement'",
    "reference": "'Reference layer'",
    "keep-every": "'Keep one section in'",
    "protocol": "the protocol",
    "device": "'Device'",
    "recursive": "'Also the folders in it'",
    "resume": "'Go on'",
    "overwrite": "'Make all anew'",
    "uncertainty": "'Also write the uncertainty'",
    "gaps": "'Also several in a row'",
    "transforms": "'Transforms'",
    "unchecked": "'Hold no sections out'",
    "sections": "the list of 'Suspected sections'",
    "remove": "'Leave a gap'",
    "methods": "the list of methods",
    "label": "'Labels'",
    "annotated": "the ticks of 'Annotated sections'",
    "lpips-weights": "'Weights file'",
}
_PHRASES = {
    "larger voxels with --spacing, or for a smaller grid with --like": "a larger 'Voxel size'",  # of a fusion
    "--transforms takes a folder that --save-transforms wrote": "choose a folder that 'Save result' wrote",
    "write it with --save-transforms": "save a result to have some",
    ", or add --overwrite to replace it": "",  # nothing here replaces a single file
    "--nan fill": "'Missing values' under More settings",
    "'depth-interp labels' (interpolate_labels in Python)": "the dock 'Interpolate labels'",
    "say so with --annotated": "count it as annotated",
}


def for_window(error: Exception) -> str:
    """Return what an error says, with the names that the user sees in the window."""
    if isinstance(error, MissingSpacingError):
        return "it is not known how far apart the sections are; type it into 'Z spacing', for example 2um"
    return name_fields(str(error))


def name_fields(text: str) -> str:
    """Return a text of the core with fields of the window instead of options."""
    for words, instead in _PHRASES.items():
        text = text.replace(words, instead)
    return re.sub(r"--([a-z-]+)(?: FILE)?", lambda match: _FIELDS.get(match[1], match[0]), text)


def for_crash(error: Exception, advice: str) -> str:
    """Return what an unexpected error says; ``advice`` is for when memory ran out."""
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return f"{type(error).__name__}: {error}{f'; {advice}' if out_of_memory else ''}"
