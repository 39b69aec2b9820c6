"""Words about scores, and what the parts of a result are."""

from __future__ import annotations

import html
import math

from ...evaluation.evaluate import MethodScores
from ..qt_helpers import in_problem_colour

PART_TIPS = {
    "truth": "The recorded sections.",
    "restored": "What the method made.",
    "absolute error": "The absolute difference to the truth, as a glow over the image; the same scale for all methods.",
    "uncertainty": "The error that the method itself expects, as a blue glow on the scale of the errors.",
}


def psnr_of(scores: MethodScores) -> float:
    """Return the PSNR of all hidden sections together, in dB."""
    psnr = scores.volume["psnr"]
    return math.inf if psnr is None else psnr  # no error at all


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def sentence(text: str) -> str:
    """Return rich text with a capital and a full stop."""
    return _escaped(f"{text[0].upper()}{text[1:]}.")


def coloured(text: str, kind: str) -> str:
    """Return rich text; what is bad has a colour of its own."""
    return in_problem_colour(_escaped(text)) if kind == "bad" else _escaped(text)
