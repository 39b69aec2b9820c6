"""Training on a folder of dense stacks, as published; resumes, and uses several GPUs where there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...errors import RequestError
from ...method import Runtime
from ...models import folder as model_folder
from ...nn.checkpoint import Checkpoint
from ...nn.contract import TrainingData
from ...nn.data import fingerprint_of, hold_back, record_of
from ...nn.processes import accelerator
from ...nn.runtime import torch_on
from ...progress import Report, part
from ...stack.scaling import Scaling
from .fit import fit
from .planes import FromStacks
from .start import untrained
from .validate import validation_of

if TYPE_CHECKING:
    from . import MsdsrConfig

LEARNED = ("channels", "levels", "guide", "prediction", "zero_snr", "offset_noise", "adjusted_offset")
"""Parameters that belong to the trained network, whatever a later run says."""
_ROWS = 4
_BETWEEN_CHECKPOINTS = 500
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
    several = accelerator(runtime)
    split = hold_back(data, config.validation, runtime.seed)
    rows = config.rows or _ROWS
    with torch_on(runtime) as own_device:
        device = own_device if several is None else several.device
        stacks = [2 * torch.from_numpy(Scaling.of(each.voxels).apply(each.voxels)) - 1 for each in split.kept]
        network = untrained(config).to(device)
        source = FromStacks([each.to(device) for each in stacks], config.batch, config.columns)
        every = max(1, min(_BETWEEN_CHECKPOINTS, config.training_steps // 10))
        parts = {"config": config.model_dump(mode="json"), "seed": runtime.seed}
        checkpoint = Checkpoint(folder, fingerprint_of(data, parts), every)
        if not resume:
            checkpoint.remove()
        validation = validation_of(split.held, config, rows, device, runtime.seed)
        trained = fit(
            network, source, config, rows, runtime.seed, part(report, 0.0, 1.0, "training"),
            checkpoint=checkpoint, validation=validation, accelerator=several,
        )  # fmt: skip
    if several is None or several.is_main_process:
        about = {name: getattr(config, name) for name in LEARNED} | {"rows": rows}
        record = record_of(data, config.model_dump(mode="json"), trained.history)
        model_folder.save(folder, model_folder.Model("msdsr", about, trained.network.state_dict(), record))
        checkpoint.remove()
