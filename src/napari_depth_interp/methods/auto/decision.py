"""All that known sections decide: the mixture, what gain to expect of it, and where it is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .blend import Evidence, Vector, added_along_z, bounded, fit, proven
from .expectation import Expectation, expect
from .trials import Known
from .uncertainty import ErrorModel


@dataclass(frozen=True, eq=False)
class Decision:
    """The ``weights`` (C,) of the candidates, the ``gain`` to expect, and the ``errors``."""

    weights: Vector
    gain: Expectation
    errors: ErrorModel


def decide(known: Known, names: Sequence[str], caution: float, scale: float, exact: float) -> Decision:
    """Return the mixture of the candidates that known sections speak for, and what they tell of it.

    Parameters
    ----------
    known : Known
        What linear interpolation and the candidates made of known sections.
    names : sequence of str
        The candidates.
    caution : float
        See :func:`.blend.fit`.
    scale : float
        What intensities are divided by.
    exact : float
        See :func:`.blend.bounded`.
    """
    doubled = Evidence.of(known.doubled, scale)
    rows = None if known.rows is None else (Evidence.of(known.rows[0], scale), Evidence.of(known.rows[1], scale))
    wider = Evidence.of(known.wider, scale) if known.wider else None
    fitted = fit(doubled if rows is None else doubled.with_rows(rows[0]), proven(names), caution)
    added = added_along_z(fitted, doubled, rows, Evidence.of(known.here, scale)) if known.middles else 1.0
    weights = bounded(fitted, doubled, rows, exact, wider=wider, added=added)
    return Decision(weights, expect(doubled, rows, weights, added), ErrorModel.of(known, weights))
