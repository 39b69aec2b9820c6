"""The command line that repeats a comparison."""

from __future__ import annotations

import shlex

from ...evaluation.holdout import Protocol
from ...run.settings import Settings, to_arguments
from ..layers.command_input import CommandInput
from .task import Question


def command_of(question: Question, source: CommandInput, reference: str | None, report: str | None = None) -> str:
    """Return ``depth-interp evaluate ...``.

    Parameters
    ----------
    question : Question
    source : CommandInput
        The layer that was compared on.
    reference : str or None
        The file of the reference layer, if there is one.
    report : str, optional
        The folder of a report.
    """
    settings = source.complete(question.settings)
    words = ["depth-interp", "evaluate", source.path or "INPUT.tif", "--methods", ",".join(question.methods)]
    words += _protocol(question.protocol, reference)
    if question.data_range is not None:
        words += ["--data-range", *(f"{limit:g}" for limit in question.data_range)]
    if question.lpips is not None:
        words += ["--lpips", question.lpips.net]
        words += [] if question.lpips.weights is None else ["--lpips-weights", str(question.lpips.weights)]
    words += to_arguments(_for_evaluate(settings))
    words += [] if report is None else ["--report", report]
    return shlex.join(words)


def _protocol(protocol: Protocol, reference: str | None) -> list[str]:
    words = {
        "keep_every": ["--keep-every", str(protocol.every)],
        "hold_out": ["--hold-out", ",".join(map(str, protocol.sections))],
        "leave_one_out": ["--leave-one-out"],
        "projection": ["--protocol", f"projection:{protocol.every}"],
        "sr4": ["--protocol", "sr4"],
        "reference": ["--reference", reference or "REFERENCE.tif"],
    }
    return words[protocol.kind]


def _for_evaluate(settings: Settings) -> Settings:
    """Return what ``evaluate`` takes: the target is set by the protocol, and each method names its own preset."""
    return settings.model_copy(
        update={name: getattr(Settings(), name) for name in ("method", "preset", "parameters", "factor", "dtype")}
    )
