"""What the window has computed. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...batch import Plan, Processes, Stop, Summary, run_batch
from ...batch.plan import Found, find_inputs
from ...batch.runner import OnChange
from ...methods import registry
from ...progress import Report
from ..jobs import import_torch


@dataclass(frozen=True)
class Order:
    """A batch that the user has asked for."""

    plan: Plan
    processes: Processes
    stop: Stop = field(default_factory=Stop)


def batch_task(order: Order, on_change: OnChange, report: Report) -> Summary:
    """Run a batch; ``on_change`` gets every change of a row."""
    here = order.processes.workers == 0
    if here and "cuda" in registry.get(order.plan.settings.method).devices:
        import_torch()
    return run_batch(order.plan, order.processes, stop=order.stop, report=report, on_change=on_change)


def list_task(plan: Plan, _report: Report) -> Found:
    """Look for the files of a plan."""
    return find_inputs(plan)
