"""A small model, as a training writes it."""

import torch

from napari_depth_interp.models.folder import Model, save

CONFIG = {
    "channels": 8, "levels": 2, "guide": "residual", "prediction": "v", "zero_snr": True, "offset_noise": 0.0,
    "adjusted_offset": False, "rows": 4,
}  # fmt: skip
RECORD = {
    "data": [{"file": "a.tif", "sha256": "00"}], "steps": 3, "planned_steps": 5, "loss": [1.0, 0.5, 0.25],
    "validation": [{"step": 1, "psnr": 31.0, "psnr_linear": 30.0}, {"step": 3, "psnr": 30.5, "psnr_linear": 30.0}],
    "licence": "CC-BY-4.0",
}  # fmt: skip


def make_model(folder, *, method="msdsr", **record):
    """Write a model with one tensor; return its folder."""
    tensors = {"a.weight": torch.arange(6.0).view(2, 3)}
    save(folder, Model(method, CONFIG, tensors, {**RECORD, **record}))
    return folder
