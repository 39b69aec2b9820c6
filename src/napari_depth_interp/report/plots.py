"""The curves of a report, as PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..evaluation.evaluate import BASELINE, Scores
from ..metrics.statistics import mean_of
from .numbers import unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9", "#000000", "#8A2BE2")
"""Told apart by colour-blind readers too (after Okabe and Ito), dark enough for white paper."""
_MARKERS = "osD^vPX*"
_WIDTH, _DPI = 6.4, 150


@dataclass(frozen=True)
class Plot:
    """A drawn figure, what stands below it, and what it shows for those who cannot see it."""

    png: bytes
    caption: str
    alt: str


def plots(scores: Scores) -> list[Plot]:
    """Return the plots of one stack; those that would say nothing are left out."""
    found = [_along_z(scores), _along_gap(scores), _against_time(scores), _ssim(scores)]
    return [each for each in found if each is not None]


def _along_z(scores: Scores) -> Plot | None:
    curves = {each.method: _by_depth(each.sections) for each in scores.methods}
    if max(len(curve) for curve in curves.values()) < 2:
        return None

    def draw(axes: Axes) -> None:
        for i, (method, curve) in enumerate(curves.items()):
            axes.plot([z for z, _ in curve], [value for _, value in curve], label=method, **look(i, small=True))
        axes.set_xlabel(f"z ({unit_of(scores.stack.get('unit')) or 'no unit'})")
        axes.set_ylabel("PSNR (dB)")

    several = max(scores.stack.get("shape", (1, 1))[:2]) > 1
    what = ", mean over channels and time points" if several else ""
    return Plot(
        drawn(draw),
        f"PSNR of each hidden section along z{what}. Empty sections score highest.",
        "Line plot: PSNR of each hidden section against its depth, a line per method",
    )


def _by_depth(sections: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return (z, PSNR) by depth, averaged over channels and time points; sections without an error are left out."""
    found: dict[float, list[float | None]] = {}
    for row in sections:
        found.setdefault(row["z"], []).append(row["psnr"])
    means = ((z, mean_of(found[z])) for z in sorted(found))
    return [(z, mean) for z, mean in means if mean is not None]


def _along_gap(scores: Scores) -> Plot | None:
    curves = {
        each.method: [
            (row["position"] or 0.0, value) for row in each.gap_curve if (value := row.get("psnr")) is not None
        ]
        for each in scores.methods
    }
    if max((len(curve) for curve in curves.values()), default=0) < 2:
        return None

    def draw(axes: Axes) -> None:
        for i, (method, curve) in enumerate(curves.items()):
            axes.plot([place for place, _ in curve], [value for _, value in curve], label=method, **look(i))
        axes.set_xlabel("place in the gap (0: section below, 1: section above)")
        axes.set_ylabel("mean PSNR (dB)")
        axes.set_xlim(0, 1)

    return Plot(
        drawn(draw),
        "Mean PSNR at each place between two visible sections: the middle is farthest from both.",
        "Line plot: mean PSNR against the place in the gap between visible sections, a line per method",
    )


def _against_time(scores: Scores) -> Plot | None:
    known = [(i, each, value) for i, each in enumerate(scores.methods) if (value := each.volume["psnr"]) is not None]
    if len(known) < 2:
        return None

    def draw(axes: Axes) -> None:
        for i, each, value in known:
            axes.plot([max(each.seconds, 1e-4)], [value], label=each.method, **look(i, size=9))
        axes.set_xscale("log")
        axes.set_xlabel("time (s)")
        axes.set_ylabel("pooled PSNR (dB)")
        axes.margins(0.12)

    return Plot(
        drawn(draw),
        f"Quality against time on {scores.device}: up and to the left is better.",
        "Scatter plot: pooled PSNR against seconds, a mark per method",
    )


def _ssim(scores: Scores) -> Plot | None:
    known = [(i, each, value) for i, each in enumerate(scores.methods) if (value := each.mean["ssim"]) is not None]
    if not known:
        return None

    def draw(axes: Axes) -> None:
        for place, (i, each, value) in enumerate(known):
            axes.errorbar([value], [place], xerr=each.std.get("ssim") or 0.0, capsize=4, **look(i, size=8))
            if each.method == BASELINE:
                axes.axvline(value, color="0.6", linestyle="--", linewidth=1, zorder=0)
        axes.set_yticks(range(len(known)), [each.method for _, each, _ in known])
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlabel("SSIM")

    return Plot(
        drawn(draw, legend=False, height=max(2.2, 0.42 * len(known) + 1.1)),
        "SSIM, mean over hidden sections; bars: standard deviation over sections; dashed: linear interpolation.",
        "Dot plot: mean SSIM of each method with its standard deviation over sections",
    )


def gains_plot(stacks: Sequence[tuple[str, Scores]]) -> Plot | None:
    """Return the gain over linear interpolation, a mark per stack."""
    found: dict[str, list[float]] = {}
    for _, scores in stacks:
        linear = scores.of(BASELINE)
        for each in scores.methods:
            gain = None if linear is None or each is linear else each.gain_over(linear)
            if gain is not None:
                found.setdefault(each.method, []).append(gain)
    if not found:
        return None

    def draw(axes: Axes) -> None:
        for place, values in enumerate(found.values()):
            axes.plot(values, [place] * len(values), **(look(place) | {"linestyle": "", "alpha": 0.7}))
            axes.plot([sum(values) / len(values)] * 2, [place - 0.3, place + 0.3], color="black", linewidth=2)
        axes.axvline(0, color="0.6", linestyle="--", linewidth=1, zorder=0)
        axes.set_yticks(range(len(found)), list(found))
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("gain over linear (dB of pooled PSNR)")

    return Plot(
        drawn(draw, legend=False, height=max(2.2, 0.42 * len(found) + 1.1)),
        "Gain over linear: a mark per stack, a black line for the mean; left of the dashed line is worse.",
        "Dot plot: gain over linear interpolation of each method on each stack",
    )


def look(i: int, *, small: bool = False, size: int | None = None) -> dict[str, Any]:
    """Return colour, mark and line of the i-th method: the same in all plots."""
    return {
        "color": _COLOURS[i % len(_COLOURS)],
        "marker": _MARKERS[i % len(_MARKERS)],
        "linestyle": ("-", "--", ":")[i // len(_COLOURS) % 3],
        "markersize": size or (3 if small else 5),
        "linewidth": 1.3,
    }


def drawn(draw: Callable[[Axes], None], *, legend: bool = True, height: float = 3.6) -> bytes:
    """Return what is drawn on empty axes as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        figure.legend(loc="outside right upper", fontsize=9, frameon=False, borderaxespad=0.8)
    stream = BytesIO()
    figure.savefig(stream, dpi=_DPI, format="png")
    return stream.getvalue()
