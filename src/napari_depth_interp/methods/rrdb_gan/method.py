"""Load a model and run it over a stack: the base estimate, what the network adds, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import RequestError
from ...method import Findings, Runtime, Sections, working_dtype
from ...models import folder as model_folder
from ...nn.contract import TrainingData
from ...nn.recipe import with_recipe
from ...nn.runtime import torch_on
from ...numerics.interpolation import at_places
from ...progress import Progress, Report, silent
from ...stack import Stack
from ...system.memory import free_memory
from ...system.transfer import on_its_way
from .forward import lattice_of, precision
from .generator import ADDED_LATER, LEARNED, Generator
from .lattice import Lattice
from .pairs import limits
from .self_ensemble import views
from .tiles import TiledVolume, core_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import GanConfig

_WHOLE = 1e-6
_MEMORY_SHARE = 0.5
"""Of what is free, that a run may take."""


class RrdbGan:
    """3-D RRDB-GAN on one stack."""

    def __init__(self, name: str, config: GanConfig, runtime: Runtime) -> None:
        self._name, self._config, self._runtime = name, config, runtime
        self._lattice = lattice_of(config)
        self._networks: list[Generator] = []
        self._about: dict[str, Any] = {}
        self._limits = self._bounds = 0.0, 1.0
        self._made: tuple[Stack, NDArray[np.float32], TiledVolume] | None = None

    def train(self, data: TrainingData, folder: Path, *, resume: bool, report: Report = silent) -> None:
        """Train on pairs made of dense stacks, or recorded, and write a model folder."""
        from .train import train_on

        train_on(data, self._name, self._config, self._runtime, folder, resume=resume, report=report)

    def announcements(self) -> Sequence[str]:
        """Say what the perceptual loss is computed on, and what would be loaded from the internet."""
        from .objective import announcements

        return announcements(self._config)

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Load the models."""
        assert self._config.model is not None  # the request has checked it
        further = [Path(each.strip()) for each in self._config.ensemble.split(",") if each.strip()]
        folders = [self._config.model, *further]
        config = type(self._config)
        needs = (
            *(name for name in LEARNED if name in config.model_fields and name not in ADDED_LATER),
            "error_per_std",
        )
        found = [model_folder.load(folder, self._name, config, needs) for folder in folders]
        self._about = dict(found[0].config)
        self._config = with_recipe(self._config, self._about.get(model_folder.RECIPE, {}))
        same = [name for name in ("factor", "scale", "base") if name in self._about]
        for folder, each in zip(folders, found, strict=True):
            if any(each.config[name] != self._about[name] for name in same):
                raise RequestError(f"'{folder}' was trained for another {', '.join(same)} than '{folders[0]}'")
        if "factor" in self._about:
            self._lattice = Lattice((int(self._about["factor"]), 1, 1), means=False)
        device = torch.device(self._runtime.device)
        self._networks = []
        for each in found:
            network = Generator.of(each.config, self._lattice.factors)
            model_folder.fill(network, each.tensors)
            self._networks.append(network.eval().requires_grad_(False).to(device))
        self._limits = self._limits_of(stack)
        self._bounds = float(stack.voxels.min()), float(stack.voxels.max())
        self._made = None
        report(Progress(1.0))

    def findings(self) -> Findings:
        """Say what the model's own training has shown to be wrong with it."""
        gain = self._about.get("gain_db")
        warnings = []
        if gain is not None and gain < 0:
            warnings.append(
                f"on volumes kept from its training this model was {-gain:.2f} dB worse than cubic interpolation"
                f"{' with back-projection (the method enlarge)' if self._lattice.means else ''}; prefer that"
            )
        if self._about.get("adversarial", 0.0) > 0:
            warnings.append("the model was trained to look real: fine detail may be invented, do not measure it")
        return Findings(warnings=tuple(warnings))

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return fine sections, between two of them by linear interpolation; uncertainty NaN of a single estimate."""
        rows = self._rows(stack, np.asarray(z, float))
        k, count = self._lattice.factors[0], len(stack.depths)
        first, final = int(rows.min()) // k, min(count, int(np.ceil(rows.max())) // k + 1)
        with torch_on(self._runtime):
            coarse, volume = self._volume(stack)
            blocks = volume.sections(first, final, _counter(volume.tiles_for(first, final), report))
            if self._config.back_projection or self._about["base"] != "none":
                base = self._lattice.base(torch.from_numpy(coarse)[None, None], slice(first, final))
                blocks[0] += base[0, 0].numpy()
        offset, scale = self._limits
        fine = [at_places(each, rows - first * k) for each in blocks]
        values = (fine[0] * np.float32(scale) + np.float32(offset)).astype(working_dtype(stack.voxels.dtype))
        if not self._lattice.means:  # means of the result could not be kept
            np.clip(values, *self._bounds, out=values)
        report(Progress(1.0))
        std = np.full_like(fine[0], np.nan) if len(fine) == 1 else fine[1]
        return Sections(values, std * np.float32(scale * float(self._about["error_per_std"])))

    def _limits_of(self, stack: Stack) -> tuple[float, float]:
        """Return what becomes 0 and the scale to 1.

        Raises
        ------
        RequestError
            If the maximum of the truth is given for a model that does not ask for it.
        """
        scale, known = str(self._about["scale"]), self._config.truth_maximum
        if known is None:
            return limits(stack.voxels, None, scale)
        if scale != "truth":
            raise RequestError(
                f"truth_maximum={known:g} is for models that were trained with scale=truth, and this one has "
                f"scale={scale}; leave it out"
            )
        return 0.0, known

    def _rows(self, stack: Stack, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where depths are among all fine sections; whole numbers where they are one."""
        k, count = self._lattice.factors[0], len(stack.depths)
        places = np.interp(z, stack.depths, np.arange(count, dtype=float))
        last = (count - 1) * k
        if self._lattice.means:
            beyond = z - np.clip(z, stack.depths[0], stack.depths[-1])
            places += beyond / (stack.grid.spacing or 1.0) + (k - 1) / 2 / k
            last = count * k - 1
        rows = np.clip(places * k, 0, last)
        whole = np.rint(rows)
        return np.asarray(np.where(np.abs(rows - whole) < _WHOLE, whole, rows))

    def _volume(self, stack: Stack) -> tuple[NDArray[np.float32], TiledVolume]:
        """Return the stack on the network's scale and what the network adds to it; of the last stack, kept."""
        if self._made is not None and stack.equals(self._made[0]):
            return self._made[1:]
        offset, scale = self._limits
        coarse = ((stack.voxels.astype(np.float64) - offset) / scale).astype(np.float32)
        members = len(self._networks) * self._config.flips
        core = (self._config.tile,) * 3 if self._config.tile else self._largest(coarse.shape, min(2, members))
        self._made = stack, coarse, TiledVolume(self._members, coarse, self._lattice.factors, core)
        return self._made[1:]

    def _largest(self, shape: tuple[int, ...], channels: int) -> tuple[int, int, int]:
        per_voxel = self._networks[0].bytes_per_voxel()
        free = _MEMORY_SHARE * free_memory(self._runtime.device)
        return core_for(free, per_voxel, shape, self._lattice.factors, channels)

    @torch.no_grad()
    def _members(self, tile: Tensor) -> Tensor:
        """Return the mean of all models and flips, and their standard deviation if there are several."""
        device = torch.device(self._runtime.device)
        seen = on_its_way(tile, device)
        total, squares, count = torch.zeros((), device=device), torch.zeros((), device=device), 0
        for network in self._networks:
            for view in views(self._lattice, self._config.flips):
                with precision(self._config, device):
                    blocks = view.undo(network(view.do(seen)))
                if self._config.back_projection:
                    blocks = self._lattice.consistent(blocks)
                total, squares, count = total + blocks, squares + blocks.square(), count + 1
        mean = total / count
        if count == 1:
            return mean[0]
        std = ((squares / count - mean.square()).clamp_min(0) * count / (count - 1)).sqrt()
        return torch.cat([mean[0], std[0]])


def _counter(tiles: int, report: Report) -> Callable[[], None]:
    """Return what reports before each tile how many are done."""
    done = 0

    def next_tile() -> None:
        nonlocal done
        report(Progress(min(1.0, done / max(1, tiles)), f"tile {done + 1} of {tiles}"))
        done += 1

    return next_tile
