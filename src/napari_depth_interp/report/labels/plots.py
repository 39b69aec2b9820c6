"""The curves of a report on labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...evaluation.label_scores import LabelScores
from ...metrics.statistics import mean_of
from ..numbers import unit_of
from ..plots import Plot, drawn, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = list[tuple[float, float]]


def plots(scores: LabelScores) -> list[Plot]:
    """Return the plots of one file; those that would say nothing are left out."""
    unit = unit_of(scores.stack.get("unit")) or "no unit"
    along_z = {each.method: _curve(each.sections, "z") for each in scores.methods}
    gap = {each.method: _curve(each.gap_curve, "position") for each in scores.methods}
    found = [
        _lines(along_z, f"z ({unit})", "Dice of each hidden section along z, mean over its labels.", "its depth"),
        _lines(
            gap,
            "place in the gap (0: section below, 1: section above)",
            "Mean Dice at each place between two annotated sections: the middle is farthest from both.",
            "the place in the gap",
        ),
        _by_size(scores),
    ]
    return [each for each in found if each is not None]


def _curve(rows: Sequence[dict[str, Any]], across: str) -> Curve:
    found: dict[float, list[float | None]] = {}
    for row in rows:
        found.setdefault(row[across], []).append(row["dice"])
    means = ((place, mean_of(found[place])) for place in sorted(found))
    return [(place, mean) for place, mean in means if mean is not None]


def _lines(curves: dict[str, Curve], across: str, caption: str, what: str) -> Plot | None:
    if max((len(curve) for curve in curves.values()), default=0) < 2:
        return None

    def draw(axes: Axes) -> None:
        for i, (method, curve) in enumerate(curves.items()):
            axes.plot(*zip(*curve, strict=True), label=method, **look(i, small=True))
        axes.set_xlabel(across)
        axes.set_ylabel("Dice")
        axes.set_ylim(top=1.0)

    return Plot(drawn(draw), caption, f"Line plot: Dice of hidden sections against {what}, a line per method")


def _by_size(scores: LabelScores) -> Plot | None:
    if scores.stack.get("labels", 0) < 3:
        return None

    def draw(axes: Axes) -> None:
        for i, each in enumerate(scores.methods):
            known = [(row["voxels"], row["dice"]) for row in each.labels if row["dice"] is not None]
            axes.plot(
                *zip(*known, strict=True), label=each.method, **(look(i, small=True) | {"linestyle": "", "alpha": 0.7})
            )
        axes.set_xscale("log")
        axes.set_xlabel("voxels of the label on hidden sections")
        axes.set_ylabel("Dice")

    return Plot(
        drawn(draw),
        "Dice of each label against its size: small ones are the hard ones.",
        "Scatter plot: Dice of each label against its voxels on hidden sections, a mark per method and label",
    )
