"""Networks as arrays, so that what was learned can be kept, and arrays as networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import nn

from ..method.preparation import State, checked_arrays

Network = TypeVar("Network", bound=nn.Module)


def arrays_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the weights of a network, and its buffers."""
    return {name: each.detach().cpu().contiguous().numpy() for name, each in network.state_dict().items()}


def filled(network: Network, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> Network:
    """Put kept weights into a network, ready to be used on a device.

    Raises
    ------
    WeightsError
        If they are those of another network.
    """
    wanted = {name: each.shape for name, each in network.state_dict().items()}
    known = checked_arrays(State(arrays=arrays), wanted)
    network.load_state_dict({name: torch.from_numpy(each) for name, each in known.items()})
    return network.eval().requires_grad_(False).to(device)
