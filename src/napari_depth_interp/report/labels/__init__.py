"""Scores of labels as words, tables, pictures of outlines, files and one HTML page.

The page itself is in :mod:`.page` and its pictures in :mod:`.pictures`, imported when a report is asked for.
"""

from .conclusions import conclusions
from .sheets import labels_csv
from .terminal import label_table, score_table

__all__ = ["conclusions", "label_table", "labels_csv", "score_table"]
