"""What scores say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..evaluation.evaluate import BASELINE, MethodScores, Scores
from .numbers import number, signed

_NARROW, _WIDE = 0.80, 0.97
"""Shares of voxels within a 90 % interval beyond which it is called poorly calibrated."""
_LIKELY = 0.05
"""p-values below it are called unlikely to be chance."""
_NORMAL_90 = 1.645
"""Half the width of the 90 % interval of a normal distribution, in standard deviations."""
_NOTICED = 0.005
"""dB that two decimals show."""


@dataclass(frozen=True)
class Sentence:
    """One thing to know; ``kind`` is how the report marks it."""

    kind: Literal["good", "bad", "note"]
    text: str


def describe_range(scores: Scores) -> str:
    """Return the data range in words, one per channel."""
    return ", ".join(f"{low:g} to {high:g}" for low, high in scores.data_range)


def verdicts(scores: Scores) -> list[str]:
    """Say in plain words which methods are worse than linear interpolation on this stack."""
    linear = scores.of(BASELINE)
    if linear is None:
        return []
    lines = []
    for each in scores.methods:
        gain = each.gain_over(linear)
        if gain is None and linear.volume["psnr"] is None and each.volume["psnr"] is not None:
            lines.append(f"{each.method} is worse than linear interpolation, which is exact on this stack")
        elif gain is not None and gain < -_NOTICED:
            lines.append(f"{each.method} is worse than linear interpolation on this stack, by {-gain:.2f} dB")
    return lines


def describe_uncertainty(scores: Scores) -> list[str]:
    """Say how well each method predicted its own errors and its own gain."""
    lines = []
    for each in scores.methods:
        if each.uncertainty is not None and each.uncertainty["coverage_90"] is not None:
            rank = each.uncertainty["spearman"]
            words = "no correlation" if rank is None else f"rank correlation {rank:.2f}"
            lines.append(
                f"{each.method}: uncertainty against true error: {words}; "
                f"the 90 % interval holds {100 * each.uncertainty['coverage_90']:.0f} % of the voxels"
            )
        if each.expected_gain_db is not None:
            lines.append(f"{each.method} had expected {each.expected_gain_db:+.2f} dB over linear")
    return lines


def describe_finding(finding: Mapping[str, Any]) -> str:
    """Return in words what a method found out about one channel and time point of a stack."""
    parts = []
    if finding["expected_gain_db"] is not None:
        gain, std = finding["expected_gain_db"], finding["gain_std_db"]
        bounds = (
            "" if std is None else f" (90 % interval {gain - _NORMAL_90 * std:+.1f} to {gain + _NORMAL_90 * std:+.1f})"
        )
        parts.append(f"expected gain over linear {gain:+.1f} dB{bounds}")
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in finding["shares"].items() if share > 0.005)
    chosen = [f"{name} {value:.3g}" for name, value in finding.get("chosen", {}).items()]
    return "; ".join([*parts, *([f"mixed from {shares}"] if shares else []), *chosen])


def chance(p_value: float | None, n: int, things: str = "sections") -> str:
    """Return what a paired test says."""
    if p_value is None:
        return f"too few {things} for a test, n = {n}" if n < 6 else f"no difference to test, n = {n}"
    p = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
    verdict = "unlikely to be chance" if p_value < _LIKELY else "could be chance"
    return f"{verdict}: {p}, n = {n} {things}"


def conclusions(scores: Scores) -> list[Sentence]:
    """Return everything that a reader must know before the numbers, the most important first."""
    found = [*_best(scores), *(Sentence("bad", f"{line}.") for line in verdicts(scores))]
    found += [*_predicted(scores), *_calibration(scores), *_warnings(scores)]
    if any(test["p_value"] is not None for each in scores.methods for test in each.against_linear.values()):
        found.append(
            Sentence(
                "note",
                "Neighbouring sections are alike, so the p-values over sections of one stack are smaller than they "
                "should be; several independent stacks tell more.",
            )
        )
    return [*found, *_lpips(scores)]


def _lpips(scores: Scores) -> Iterator[Sentence]:
    if scores.lpips is None:
        return
    if scores.lpips["problem"] is not None:
        yield Sentence("note", f"LPIPS is not available: {scores.lpips['problem']}.")
    elif all(each.mean.get("lpips") is None for each in scores.methods):
        why = f"the sections are too small for the network {scores.lpips['net']}, or hold voxels that are not a number"
        yield Sentence("note", f"LPIPS is not available: {why}.")


def over_stacks(stacks: Sequence[Scores], summary: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Sentence]:
    """Return what all stacks say together about each method, the one with the largest gain first."""
    told = []
    for method, found in summary.items():
        test = found.get("psnr", {})
        mean, p = test.get("difference"), test.get("p_value")
        if mean is None:
            continue
        gains = [_gain(scores, method) for scores in stacks]
        known = [gain for gain in gains if gain is not None]
        better = sum(gain > _NOTICED for gain in known)
        text = (
            f"{method}: {signed(mean)} dB of pooled PSNR against linear interpolation on average, better on {better} "
            f"of {len(known)} stacks; {chance(p, _n(test), 'stacks')}."
        )
        likely = p is not None and p < _LIKELY
        told.append((mean, Sentence("bad" if mean < -_NOTICED else "good" if likely else "note", text)))
    return [sentence for _, sentence in sorted(told, key=lambda each: -each[0])]


def _gain(scores: Scores, method: str) -> float | None:
    own, linear = scores.of(method), scores.of(BASELINE)
    return None if own is None or linear is None else own.gain_over(linear)


def _best(scores: Scores) -> Iterator[Sentence]:
    linear = scores.of(BASELINE)
    if linear is None:
        yield Sentence("note", "Linear interpolation was not among the methods, so no gain over it is given.")
    flawless = [each.method for each in scores.methods if each.volume["rmse"] == 0]
    if flawless:
        yield Sentence("good", f"Without any error on this stack: {', '.join(flawless)}.")
        return
    ranked = sorted((each for each in scores.methods if each.volume["psnr"] is not None), key=_pooled_psnr)
    if not ranked:
        return
    top = ranked[-1]
    gain = None if linear is None else top.gain_over(linear)
    if top is linear and len(ranked) > 1:
        yield Sentence("bad", f"No method beats linear interpolation on this stack: {_pooled_psnr(top):.2f} dB.")
    elif gain is None or len(ranked) == 1:
        yield Sentence("note", f"Best: {top.method}, pooled PSNR {_pooled_psnr(top):.2f} dB.")
    else:
        p = top.against_linear.get("psnr", {}).get("p_value")
        kind: Literal["good", "note"] = "good" if p is not None and p < _LIKELY else "note"
        yield Sentence(kind, f"Best: {_gain_in_words(top, gain)}")
    yield from _best_otherwise(scores, top)


def _gain_in_words(top: MethodScores, gain: float) -> str:
    test = top.against_linear.get("psnr")
    words = f"{top.method}, pooled PSNR {_pooled_psnr(top):.2f} dB, {gain:.2f} dB above linear interpolation."
    if not test or test["difference"] is None:
        return words
    return (
        f"{words} Section by section {signed(test['difference'])} dB on average, {chance(test['p_value'], _n(test))}."
    )


def _n(test: Mapping[str, float | int | None]) -> int:
    return int(test["n"] or 0)


def _best_otherwise(scores: Scores, top: MethodScores) -> Iterator[Sentence]:
    """Say where another method than the one with the highest PSNR is the best."""
    for average, name, words, unit in (
        ("volume", "psnr_fg", "On the foreground", " dB pooled PSNR"),
        ("mean", "ssim", "By mean SSIM", ""),
    ):
        values = [(getattr(each, average).get(name), each.method) for each in scores.methods]
        known = {method: value for value, method in values if value is not None}
        if len(known) < 2 or top.method not in known:
            continue
        best = max(known, key=known.__getitem__)
        if number(known[best]) != number(known[top.method]):
            others = f"{top.method}: {number(known[top.method])}"
            yield Sentence("note", f"{words} {best} is the best: {number(known[best])}{unit} ({others}).")


def _pooled_psnr(each: MethodScores) -> float:
    value = each.volume["psnr"]
    assert value is not None
    return value


def _predicted(scores: Scores) -> Iterator[Sentence]:
    linear = scores.of(BASELINE)
    for each in scores.methods:
        if each.expected_gain_db is None:
            continue
        gain = None if linear is None else each.gain_over(linear)
        true = "" if gain is None else f"; it was {gain:+.2f} dB"
        yield Sentence("note", f"{each.method} had expected {each.expected_gain_db:+.2f} dB over linear{true}.")


def _calibration(scores: Scores) -> Iterator[Sentence]:
    for each in scores.methods:
        share = None if each.uncertainty is None else each.uncertainty["coverage_90"]
        if share is None:
            continue
        holds = f"its 90 % interval holds {100 * share:.0f} % of the voxels"
        if share < _NARROW:
            yield Sentence(
                "bad", f"{each.method}: uncertainty poorly calibrated, {holds}: errors are larger than it says."
            )
        elif share > _WIDE:
            yield Sentence(
                "bad", f"{each.method}: uncertainty poorly calibrated, {holds}: errors are smaller than it says."
            )
        else:
            yield Sentence("good", f"{each.method}: uncertainty well calibrated, {holds}.")


def _warnings(scores: Scores) -> Iterator[Sentence]:
    by_text: dict[str, list[str]] = {}
    for each in scores.methods:
        for text in each.warnings:
            by_text.setdefault(text, []).append(each.method)
    for text, methods in by_text.items():
        whose = "all methods" if len(methods) == len(scores.methods) > 1 else ", ".join(methods)
        yield Sentence("bad", f"Warning ({whose}): {text}.".replace("..", "."))
