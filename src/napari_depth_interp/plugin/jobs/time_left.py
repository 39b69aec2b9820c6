"""How long a job has run and will run: one estimate that follows the fraction done without jumping."""

from __future__ import annotations

_FIRST = 1.0, 0.03
"""Seconds and fraction done before anything is said: the first reports are no measure."""
_CALM = 0.15
"""Share of the elapsed time over which a new estimate replaces the last one, so that one slow step changes little;
the nearer the end, the less."""


class TimeLeft:
    """Estimates the end of a job from its reports.

    Parameters
    ----------
    start : float
        When it began, in seconds of a steady clock, as all other times here.
    """

    def __init__(self, start: float) -> None:
        self._start = self._last = start
        self._total: float | None = None

    def note(self, fraction: float, now: float) -> tuple[float, float | None]:
        """Return the seconds so far, and the seconds left or None if that is not known yet."""
        elapsed, since, self._last = now - self._start, now - self._last, now
        seconds, done = _FIRST
        if elapsed < seconds or fraction < done:
            return elapsed, None
        total = elapsed / fraction
        if self._total is None:
            self._total = total
        else:
            self._total += (total - self._total) * min(1.0, since / (_CALM * elapsed * (1 - fraction) + 1e-9))
        return elapsed, max(self._total - elapsed, elapsed * (1 - fraction) * 0.1)
