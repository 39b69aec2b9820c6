"""How long a job has run and will run: one estimate that follows the pace of the work without jumping."""

from __future__ import annotations

from bisect import bisect_right

_FIRST = 1.0, 0.03
"""Seconds and fraction done before anything is said: the first reports are no measure."""
_RECENT, _LATEST = 1 / 2, 1 / 4
"""Shares of the elapsed time over which the pace is measured: a quick first step says nothing of a slow second one."""
_ALIKE = 1.5
"""Until these two paces differ by less than this factor nothing is said, ..."""
_ENOUGH = 20.0
"""... but for so many seconds at most."""
_SLOWEST = 0.04
"""Of the pace of the whole: a standstill is no pace to reckon with."""
_CALM = 0.15
"""Share of the elapsed time over which a new estimate replaces the last one, so that one slow step changes little;
the nearer the end, the less."""
_MOST = 400
"""Reports that are kept; of more, every second one is."""


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
        self._times, self._fractions = [start], [0.0]

    def note(self, fraction: float, now: float) -> tuple[float, float | None]:
        """Return the seconds so far, and the seconds left or None if that is not known yet."""
        elapsed, since, self._last = now - self._start, now - self._last, now
        self._keep(fraction, now)
        seconds, done = _FIRST
        if elapsed < seconds or fraction < done:
            return elapsed, None
        recent, latest = (self._pace(now - share * elapsed) for share in (_RECENT, _LATEST))
        unsteady = not recent / _ALIKE < latest < recent * _ALIKE
        if self._total is None and unsteady and elapsed < _ENOUGH:
            return elapsed, None
        total = elapsed + (1 - fraction) / max(recent, _SLOWEST * fraction / elapsed)
        if self._total is None:
            self._total = total
        else:
            self._total += (total - self._total) * min(1.0, since / (_CALM * elapsed * (1 - fraction) + 1e-9))
        return elapsed, max(self._total - elapsed, elapsed * (1 - fraction) * 0.1)

    def _keep(self, fraction: float, now: float) -> None:
        self._times.append(now)
        self._fractions.append(fraction)
        if len(self._times) > _MOST:
            self._times, self._fractions = self._times[::2], self._fractions[::2]

    def _pace(self, since: float) -> float:
        """Return the fraction done in a second since some time."""
        place = max(0, bisect_right(self._times, since) - 1)
        seconds = self._times[-1] - self._times[place]
        return max(0.0, self._fractions[-1] - self._fractions[place]) / seconds if seconds > 0 else 0.0
