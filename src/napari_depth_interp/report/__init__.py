"""Scores as words, tables, figures and one HTML page.

The page itself is in :mod:`.page` and its pictures in :mod:`.pictures`, imported when a report is asked for.
"""

from ..evaluation.evaluate import BASELINE
from .conclusions import describe_finding, describe_range, describe_uncertainty, verdicts
from .montages import Montage, save_montages
from .sheets import write_csv
from .terminal import score_table

__all__ = [
    "BASELINE",
    "Montage",
    "describe_finding",
    "describe_range",
    "describe_uncertainty",
    "save_montages",
    "score_table",
    "verdicts",
    "write_csv",
]
