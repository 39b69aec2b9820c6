"""The network as one function of images: the whole method with one sampling step on one plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...models.folder import Model
from ...nn.contract import OnePass
from .diffusion import Diffusion
from .network import PlaneNet, between

_ROWS, _COLUMNS = 33, 64
"""Size of the plane: the exported function takes this one only."""


class _PlaneInOneStep(nn.Module):
    """Linear interpolation of the observed rows, which rows are observed, and noise -> the restored plane."""

    def __init__(self, network: PlaneNet, config: Any) -> None:
        super().__init__()
        diffusion = Diffusion(config)
        diffusion.sampler.set_timesteps(1)
        self._step = int(diffusion.sampler.timesteps[0])
        alpha = float(diffusion.sampler.alphas_cumprod[self._step])
        self._signal, self._rest = alpha**0.5, (1 - alpha) ** 0.5
        self._predicts_v = config.prediction == "v"
        self.network = network

    def forward(self, linear: Tensor, observed: Tensor, noise: Tensor) -> Tensor:
        rows, mask = linear[:, 0], observed[:, 0, :, 0]
        seen = mask[:, :, None] > 0
        known = self.network.scaled(rows, rows)
        noisy = torch.where(seen, known, noise[:, 0])
        step = torch.full((len(rows),), self._step, dtype=torch.int64)  # else torch 2.9 exports real numbers
        predicted = self.network(noisy, mask, rows, step)
        if self._predicts_v:
            clean = self._signal * noisy - self._rest * predicted
        else:
            clean = (noisy - self._rest * predicted) / max(self._signal, 1e-3)
        return self.network.restored(torch.where(seen, known, clean), rows)[:, None]


def one_pass_of(model: Model, config: Any) -> OnePass:
    """Return the network of a model as one function.

    Parameters
    ----------
    model : Model
    config : MsdsrConfig
        That of the model.
    """
    network = PlaneNet.from_model(model.config, model.tensors)
    rng = np.random.default_rng(0)
    gap = int(model.config["rows"])
    mask = np.zeros((1, _ROWS), np.float32)
    mask[:, ::gap] = 1
    waves = np.sin(np.arange(_ROWS)[:, None] / 5 + np.arange(_COLUMNS) / 7).astype(np.float32)
    linear = between(torch.from_numpy(waves[None]), torch.from_numpy(mask)).numpy()
    inputs: Mapping[str, Any] = {
        "linear": ("XZ plane, observed rows scaled to -1 .. 1, linear interpolation between them", linear[:, None]),
        "observed": ("1 in observed rows, 0 in rows to draw", np.repeat(mask[:, None, :, None], _COLUMNS, 3)),
        "noise": ("Standard normal noise", rng.normal(size=(1, 1, _ROWS, _COLUMNS)).astype(np.float32)),
    }
    about = (
        f"One function: a plane of {_ROWS} rows and {_COLUMNS} columns whose hidden rows are drawn in one step. "
        "The method itself draws in several steps, couples XZ and YZ planes, takes planes of any size and puts them "
        f"back into the volume: this the format cannot describe. Rows are sections; in training one of {gap} was "
        "observed. Scale intensities so that the percentiles 0.1 and 99.9 become -1 and 1."
    )
    return OnePass(_PlaneInOneStep(network, config).eval(), inputs, ("plane", "The plane with all rows"), about)
