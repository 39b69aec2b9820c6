"""What was found on a damaged section, in words with numbers, and which part of it is lost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .measures import blurred, brightened, saturation, striped
from .neighbours import Between
from .regions import lost_part
from .shifts import shifted
from .survey import between_of
from .views import Views


@dataclass(frozen=True, eq=False)
class Evidence:
    """What stands beside the score of a damaged section."""

    words: str
    part: NDArray[np.bool_] | None = None


def evidence(views: Views, k: int, kind: str, damaged: Collection[int] = ()) -> Evidence:
    """Return what there is to say about a section that was found to be of this kind."""
    view = views[k]
    if view.lost is not None and view.lost.all():
        return Evidence("no pixel is a number")
    if view.is_flat:
        return Evidence(f"all pixels are {float(view.values.flat[0]) / view.scale:g}")
    around = between_of(views, k, damaged)
    if not around:
        return Evidence("")
    return _ABOUT[kind](around)


def _missing(around: list[Between]) -> Evidence:
    each = around[0]
    return Evidence(f"contrast {each.view.contrast / max(each.contrast, 1e-12):.2f} of that of its neighbours")


def _duplicate(around: list[Between]) -> Evidence:
    each = around[0]
    which = min(zip(each.pairs, (each.first, each.second), strict=True), key=lambda both: both[0].difference)
    return Evidence(f"the same as section {which[1]}")


def _saturated(around: list[Between]) -> Evidence:
    each = max(around, key=saturation)
    highest = each.view.values.max()
    part = each.view.values >= highest
    return Evidence(f"{100 * part.mean():.0f} % of the pixels are {float(highest) / each.view.scale:g}", part)


def _shift(around: list[Between]) -> Evidence:
    rows, columns = max(
        (shifted(each, exactly) for each in around for exactly in (True, False)),
        key=lambda shift: float(np.linalg.norm(shift)),
    )
    return Evidence(f"shifted by {rows:+.1f} rows and {columns:+.1f} columns")


def _partial(around: list[Between]) -> Evidence:
    parts = [found for each in around if (found := lost_part(each.view, *each.references)) is not None]
    if not parts:
        return Evidence("a part is lost")
    part = max(parts, key=lambda each: float(each.mean()))
    return Evidence(f"{100 * part.mean():.1f} % of the area is lost", part)


def _stripes(around: list[Between]) -> Evidence:
    return Evidence(f"stripes {max(striped(each) / each.view.scale for each in around):.3g} high")


def _brightness(around: list[Between]) -> Evidence:
    gain, offset = max((brightened(each) for each in around), key=lambda both: abs(both[0]))
    return Evidence(f"contrast x {np.exp(gain):.2f}, brightness {offset / around[0].view.scale:+.3g}")


def _blur(around: list[Between]) -> Evidence:
    return Evidence(f"{2 ** -max(map(blurred, around)):.2f} of the fine detail of its neighbours")


_ABOUT = {
    "missing": _missing, "duplicate": _duplicate, "saturated": _saturated, "shift": _shift, "partial": _partial,
    "stripes": _stripes, "brightness": _brightness, "blur": _blur,
}  # fmt: skip
