"""A folder of stacks: one method and its settings on every file, resumable, on one machine or many.

>>> from napari_depth_interp.batch import Plan, run_batch
>>> from napari_depth_interp.run.settings import make_settings
>>> plan = Plan("stacks", "dense", make_settings(method="flow", factor=4), recursive=True)  # doctest: +SKIP
>>> summary = run_batch(plan)  # doctest: +SKIP
>>> summary.count("failed")  # doctest: +SKIP
0
"""

from ..system.cluster import Processes
from .plan import Plan
from .record import FileRecord, State
from .runner import Stop, Summary, run_batch

__all__ = ["FileRecord", "Plan", "Processes", "State", "Stop", "Summary", "run_batch"]
