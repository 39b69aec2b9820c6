"""Mixing the candidates: weights that fit known sections, drawn towards a mixture that has proved itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import registry
from .trials import Answer

PROVEN: Mapping[str, float] = {"section_sr": 0.92, "flow": 0.08}
"""A mixture that was near the best on ten real volumes at three gaps (benchmarks/quality.py)."""

_TINY = 1e-12
_LITTLE, _MOST = 0.25, 0.95
"""Shares of what a mixture adds that must fit hidden rows at the real gap (without rows: sections at four times the
gap) for nothing and for all of it to be added."""
_LEAST = 0.1
"""Share that is added where only these are against it: they know z at this gap less well than left-out sections do."""
_ADDED_LITTLE, _ADDED_MOST = 0.2, 0.3
"""How much of what is added must be left at the real gap, as a part of what is left on hidden rows, for nothing and for
all of it to be added: where nearly nothing is left, noise is all that there is, and rows do not tell of it."""
_FALLS, _STAYS = 0.5, 0.75
"""To how much linear's error must fall on hidden rows, from the doubled to the real gap, for the gap to be why a
mixture fits badly, and from how much on it is not: noise does not fall."""
_SMOOTHER = 0.08
"""Share of linear's error on left-out sections that its error on hidden rows must reach: across half the gap it does
not fall below a sixteenth, so that rows on which it is smaller are smoother than sections and say nothing of them."""

_SUMS = ("gram", "gain", "error")

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What known sections say about mixtures: all sums of products that a squared error needs.

    With D the candidates minus linear and r the truth minus linear: ``gram`` (S, C, C) is D D', ``gain`` (S, C)
    is D r and ``error`` (S,) is r r, each a mean over the voxels of one section.
    """

    gram: Vector
    gain: Vector
    error: Vector

    @classmethod
    def of(cls, answers: Iterable[Answer], scale: float) -> Evidence:
        """Collect from known sections; values are divided by ``scale``."""
        gram, gain, error = [], [], []
        for answer in answers:
            residual = ((answer.truth - answer.linear) / scale).ravel().astype(np.float64)
            added = ((answer.others - answer.linear) / scale).reshape(len(answer.others), -1).astype(np.float64)
            gram.append(added @ added.T / residual.size)
            gain.append(added @ residual / residual.size)
            error.append(residual @ residual / residual.size)
        return cls(np.array(gram), np.array(gain), np.array(error))

    def errors(self, weights: Vector) -> Vector:
        """Return the mean squared error of a mixture in each section (S,)."""
        mixed = self.error - 2 * self.gain @ weights + np.einsum("i,sij,j->s", weights, self.gram, weights)
        return np.asarray(np.maximum(mixed, 0.0))

    def gain_db(self, weights: Vector) -> float:
        """Return the gain of a mixture over linear, all sections pooled, in dB."""
        return _decibels(self.error.sum(), self.errors(weights).sum())

    def with_rows(self, rows: Evidence) -> Evidence:
        """Return this evidence and that of hidden rows together, each counting one half.

        Left-out sections are true z but twice the gap; hidden rows are the real gap but XY.
        """
        parts = [(each, 1 / (len(each.error) * max(float(each.error.mean()), _TINY))) for each in (self, rows)]
        joined = (np.concatenate([getattr(each, name) * share for each, share in parts]) for name in _SUMS)
        return Evidence(*joined)

    @property
    def sections(self) -> int:
        """How many known sections there are."""
        return len(self.error)


Rows = tuple[Evidence, Evidence]
"""From rows hidden at the real and at the doubled gap."""


def _decibels(before: float, after: float) -> float:
    return float(10 * np.log10(max(before, _TINY) / max(after, _TINY)))


def proven(names: Sequence[str]) -> Vector:
    """Return the proven mixture of these candidates; those it does not know get no weight."""
    methods = [registry.method_and_preset(name)[0] for name in names]
    weights = np.array([PROVEN.get(name, 0.0) / methods.count(name) for name in methods])
    total = weights.sum()
    return np.asarray(weights / total) if total > 0 else weights


def fit(evidence: Evidence, prior: Vector, caution: float) -> Vector:
    """Return weights (C,) that are 0 or more and sum to at most 1; what is missing to 1 belongs to linear.

    They make the squared error small, plus ``caution`` times the squared distance of the mixture from that of
    ``prior``: at a caution of 1 the result lies about half-way.
    """
    from scipy.optimize import minimize

    gram, gain = evidence.gram.mean(axis=0), evidence.gain.mean(axis=0)
    unit = max(float(evidence.error.mean()), float(np.trace(gram)), _TINY)

    def loss(weights: Vector) -> tuple[float, Vector]:
        away = weights - prior
        value = weights @ gram @ weights - 2 * gain @ weights + caution * away @ gram @ away
        slope = 2 * (gram @ weights - gain + caution * gram @ away)
        return float(value / unit), slope / unit

    sum_to_one = {"type": "ineq", "fun": lambda w: 1 - w.sum(), "jac": lambda w: -np.ones_like(w)}
    found = minimize(loss, prior, jac=True, bounds=[(0.0, 1.0)] * len(prior), constraints=[sum_to_one], method="SLSQP")
    return np.asarray(np.clip(np.asarray(found.x, float), 0.0, 1.0))


def bounded(
    weights: Vector,
    left_out: Evidence,
    rows: Rows | None,
    exact: float = _TINY,
    *,
    wider: Evidence | None = None,
    added: float = 1.0,
) -> Vector:
    """Return the weights, smaller where little of what the mixture adds fits: down to linear interpolation.

    The smallest of the shares that fit is taken: of left-out sections, across the doubled gap, where rows may say that
    the gap is why it is small; of hidden rows at the real gap, where structure blurred along z is smooth; and none
    where noise is all that is missed. Constants: near the mildest under which no stack of another kind lost
    (benchmarks/proving_rule.py).

    Parameters
    ----------
    weights : (C,) array
    left_out : Evidence
        From left-out sections, at the doubled gap.
    rows : pair of Evidence or None
        From rows hidden at the real and at the doubled gap, blurred as sections are; None where images are too small.
    exact : float
        Mean square up to which linear interpolation misses no more than rounding; then nothing is added.
    wider : Evidence or None
        From sections left out at four times the gap: asked as well where there are no rows.
    added : float
        See :func:`added_along_z`.
    """
    if left_out.error.mean() <= exact:
        return np.zeros_like(weights)
    share = _share_that_fits(left_out, weights)
    other = None if wider is None else _share_that_fits(wider, weights)
    if rows is not None:
        near, far = (_share_that_fits(each, weights) for each in rows)
        share += _gap_is_why(rows) * max(0.0, near - far)
        other = near if rows_are_like(left_out, rows[0]) else None
    share = min(share, (added - _ADDED_LITTLE) / (_ADDED_MOST - _ADDED_LITTLE))
    if other is not None:
        share = min(share, max(_LEAST, (other - _LITTLE) / (_MOST - _LITTLE)))
    return np.asarray(weights * np.clip(share, 0, 1))


def added_along_z(weights: Vector, left_out: Evidence, rows: Rows | None, here: Evidence) -> float:
    """Return how much of what a mixture adds at the doubled gap is left at the real one, relative to hidden rows.

    What it adds there is known without the truth. 1 where there are no rows, or nothing is added.

    Parameters
    ----------
    weights : (C,) array
    left_out : Evidence
        From left-out sections, at the doubled gap.
    rows : pair of Evidence or None
        From rows hidden at the real and at the doubled gap.
    here : Evidence
        From real gaps; only its ``gram`` is known.
    """
    if rows is None:
        return 1.0
    far, near, rows_near, rows_far = (
        max(float(weights @ each.gram.mean(axis=0) @ weights), _TINY) for each in (left_out, here, *rows)
    )
    return near / far / (rows_near / rows_far)


def _gap_is_why(rows: Rows) -> float:
    """Return from 0 to 1 how sure it is that structure, not noise, is what linear interpolation misses."""
    falls = rows[0].error.mean() / max(float(rows[1].error.mean()), _TINY)
    return float(np.clip((_STAYS - falls) / (_STAYS - _FALLS), 0, 1))


def rows_are_like(left_out: Evidence, rows: Evidence) -> bool:
    """Return whether rows hidden at the real gap are as hard as sections may be there."""
    return bool(rows.error.mean() >= _SMOOTHER * left_out.error.mean())


def _share_that_fits(evidence: Evidence, weights: Vector) -> float:
    """Return how much of what a mixture adds had better been added; 0 if it adds nothing."""
    added = weights @ evidence.gram.mean(axis=0) @ weights
    return float(weights @ evidence.gain.mean(axis=0) / added) if added > _TINY else 0.0
