"""The state of a training as safetensors and JSON: weights, their average, the best ones, optimisers, history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from ..io.files import replacing
from ..models.weights import read

_STATE = "checkpoint.safetensors"


@dataclass
class History:
    """What a training has shown so far.

    Attributes
    ----------
    losses : list of float
        One per step.
    validation : list of {"step": int, metric name: value}
    """

    losses: list[float] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """Saves to ``folder`` every so many steps.

    Attributes
    ----------
    folder : Path
    fingerprint : str
        What the training depends on (data, config); a checkpoint of another training is refused.
    every : int
        Steps between two checkpoints.
    """

    folder: Path
    fingerprint: str
    every: int = 500

    def is_due(self, step: int, steps: int) -> bool:
        """Return whether to save after so many steps."""
        return step % self.every == 0 or step == steps

    def save(
        self,
        network: nn.Module,
        average: nn.Module,
        optimisers: Sequence[torch.optim.Optimizer],
        history: History,
        best: dict[str, Tensor] | None = None,
        others: Sequence[nn.Module] = (),
    ) -> None:
        """Write everything under a temporary name and rename it.

        ``best`` are the weights of the best validation so far, ``others`` the networks that train beside the first.
        """
        from safetensors.torch import save_file

        tensors = {f"network.{name}": each for name, each in network.state_dict().items()}
        tensors |= {f"average.{name}": each for name, each in average.state_dict().items()}
        tensors |= {f"best.{name}": each for name, each in (best or {}).items()}
        for number, other in enumerate(others):
            tensors |= {f"other{number}.{name}": each for name, each in other.state_dict().items()}
        about: list[dict[str, Any]] = []
        for number, optimiser in enumerate(optimisers):
            state = optimiser.state_dict()["state"]
            about.append({str(index): _numbers(each) for index, each in state.items()})
            tensors |= {
                f"optimiser{number}.{index}.{name}": value
                for index, each in state.items()
                for name, value in each.items()
                if isinstance(value, Tensor)
            }
        metadata = {
            "fingerprint": self.fingerprint,
            "optimisers": json.dumps(about),
            "history": json.dumps(asdict(history)),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / _STATE, overwrite=True) as temporary:
            save_file({name: each.detach().contiguous().cpu() for name, each in tensors.items()}, temporary, metadata)

    def restore(
        self,
        network: nn.Module,
        average: nn.Module,
        optimisers: Sequence[torch.optim.Optimizer],
        others: Sequence[nn.Module] = (),
    ) -> tuple[History, dict[str, Tensor] | None]:
        """Bring everything to where the checkpoint was saved; return the history and the best weights, if any.

        Raises
        ------
        WeightsError
            If the checkpoint is damaged or belongs to another training.
        """
        path = self.folder / _STATE
        if not path.is_file():
            return History(), None
        tensors, metadata = read(path), _metadata(path)
        if metadata.get("fingerprint") != self.fingerprint:
            raise WeightsError(
                f"'{path}' belongs to a training on other data or with other parameters; choose another folder, or "
                "train without resuming"
            )
        network.load_state_dict(_part(tensors, "network."))
        average.load_state_dict(_part(tensors, "average."))
        for number, other in enumerate(others):
            other.load_state_dict(_part(tensors, f"other{number}."))
        for number, (optimiser, about) in enumerate(zip(optimisers, json.loads(metadata["optimisers"]), strict=True)):
            state = {int(index): dict(numbers) for index, numbers in about.items()}
            for name, tensor in _part(tensors, f"optimiser{number}.").items():
                index, _, key = name.partition(".")
                state[int(index)][key] = tensor
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        return History(**json.loads(metadata["history"])), _part(tensors, "best.") or None

    def remove(self) -> None:
        """Delete the checkpoint of a training that has ended."""
        (self.folder / _STATE).unlink(missing_ok=True)


def _numbers(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if not isinstance(value, Tensor)}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})
