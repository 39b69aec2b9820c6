"""Training on a folder of dense stacks, as published; resumes, and uses several GPUs where there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...errors import RequestError
from ...method import Runtime
from ...models.folder import RECIPE
from ...nn.contract import TrainingData
from ...nn.training_run import training_run
from ...progress import Report
from ...stack.scaling import Scaling
from .fit import fit
from .held_back import divided
from .planes import FromStacks
from .start import untrained
from .validate import validation_of

if TYPE_CHECKING:
    from . import MsdsrConfig

LEARNED = ("channels", "levels", "guide", "prediction", "zero_snr", "offset_noise", "adjusted_offset")
"""Parameters that belong to the trained network, whatever a later run says."""
_EARLIER = {"schedule": "scaled_linear"}
"""More of them, and their values in models from before they were parameters."""
_RUN = ("steps", "eta", "step_spacing", "samples", "coupled", "shared_noise")
"""Parameters of drawing that a later run takes from the model, unless it gives its own."""
_ROWS = 4
_FEWEST = 5
"""Sections of a stack that planes can be cut from."""


def train_on(
    data: TrainingData, config: MsdsrConfig, runtime: Runtime, folder: Path, *, resume: bool, report: Report
) -> None:
    """Train on the XZ and YZ planes of dense stacks and write a model folder.

    Raises
    ------
    RequestError
        If a stack has too few sections.
    """
    few = [path.name for path, stack in zip(data.files, data.stacks, strict=True) if len(stack.depths) < _FEWEST]
    if few:
        raise RequestError(f"{', '.join(few)}: training needs stacks of {_FEWEST} sections or more; leave them out")
    rows = config.rows or _ROWS
    learned, held = divided(data, config.validation_share, runtime.seed)
    with training_run("msdsr", data, config, runtime, folder, resume=resume, report=report) as run:
        stacks = [2 * torch.from_numpy(Scaling.of(each.voxels).apply(each.voxels)) - 1 for each in learned]
        network = untrained(config).to(run.device)
        source = FromStacks([each.to(run.device) for each in stacks], config.batch, config.columns, config.piece_rows)
        checkpoint = run.checkpoint(config.training_steps)
        validation = validation_of(held, config, rows, run.device, run.seed)
        trained = fit(
            network, source, config, rows, run.seed, run.report,
            checkpoint=checkpoint, validation=validation, accelerator=run.accelerator,
        )  # fmt: skip
        run.save(_about(config, rows), trained, checkpoint)


def _about(config: MsdsrConfig, rows: int) -> dict[str, Any]:
    """Return what a model folder says: what its network is, and how it is to be used."""
    learned = {name: getattr(config, name) for name in (*LEARNED, *_EARLIER)}
    return {**learned, "rows": rows, RECIPE: {name: getattr(config, name) for name in _RUN}}


def learned_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a model folder fixes."""
    return {name: about[name] for name in LEARNED} | {name: about.get(name, old) for name, old in _EARLIER.items()}
