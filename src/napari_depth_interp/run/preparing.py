"""Preparing a method for channels at one time point: on the whole stack, on blocks of it, or from what was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from ..errors import WeightsError
from ..method import Explains, Findings, Method, Refits
from ..method.preparation import Keeps, State, images_of, prepare_on
from ..methods import registry
from ..progress import Report, silent
from ..stack import Stack
from ..stack.blocks import regions_of
from ..stack.lazy import planes_of
from ..system.memory import give_back
from .memory import Memory
from .request import Request
from .sharing import Guide, Sharing

_METHOD = "method"


@dataclass(frozen=True, eq=False)
class Learned:
    """A method, ready for some channels.

    Attributes
    ----------
    method : Method
    sharing : Sharing or None
        How several channels are brought to the image that the method was prepared on.
    warnings : tuple of str
        What the user should know of the preparing.
    plain : str or None
        Name of the method that stands in for the one asked for, on a constant stack.
    """

    method: Method
    sharing: Sharing | None = None
    warnings: tuple[str, ...] = ()
    plain: str | None = None

    def findings(self) -> Findings | None:
        """Return what the method found out, if it says."""
        return self.method.findings() if isinstance(self.method, Explains) else None

    def state(self) -> State:
        """Return what is to be kept."""
        parts = {_METHOD: self.method.state()} if isinstance(self.method, Keeps) else {}
        sharing = None if self.sharing is None else self.sharing.as_json()
        return State.of_parts(parts, {"warnings": list(self.warnings), "sharing": sharing, "plain": self.plain})


def learn(
    request: Request,
    channels: Sequence[Stack],
    memory: Memory,
    known: Method | None = None,
    report: Report = silent,
) -> Learned:
    """Prepare the method of a request on one channel, or on the image of several.

    Parameters
    ----------
    request : Request
    channels : sequence of Stack
        Of one time point; one, or several that share what is learned.
    memory : Memory
        How much may be learned from.
    known : Method, optional
        As prepared on the time point before.
    report : callable
    """
    seen = blocks_of(request, channels, memory)
    sharing, blocks = None, seen[0]
    if len(channels) > 1:
        images = [images_of(each) for each in seen]
        guide = Guide.of(images, rgb=request.dataset.rgb)
        blocks = [guide.image(parts) for parts in zip(*seen, strict=True)]
        sharing = Sharing.of(guide, images, images_of(blocks))
    whole = blocks[0] if len(blocks) == 1 else channels[0]
    plain, warnings = _plain_method(request, whole.voxels)
    if len(blocks) > 1 and request.spec.trains_on_stack:
        size = " x ".join(map(str, blocks[0].voxels.shape))
        warnings = (*warnings, f"the stack is large, so {len(blocks)} blocks of {size} voxels were learned from")
    method = _new_method(request, plain)
    again = isinstance(known, Refits) and type(known) is type(method)
    if known is not None and again:
        method = known
    prepare_on(method, blocks, whole, report=report, again=again)
    give_back()
    return Learned(method, sharing, warnings, plain)


def recall(
    request: Request, channels: Sequence[Stack], state: State, memory: Memory, report: Report = silent
) -> Learned:
    """Return the method of a request as it was prepared, on this stack or on another one of its kind.

    Raises
    ------
    WeightsError
        If the state does not fit the method.
    """
    sharing, plain = (state.values.get(name) for name in ("sharing", "plain"))
    method = _new_method(request, plain)
    try:
        known = None if sharing is None else Sharing.from_json(sharing)
        if not isinstance(method, Keeps):
            learned = learn(request, channels, memory, report=report)
            return replace(learned, sharing=known or learned.sharing)
        method.restore(state.part(_METHOD), channels[0])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise WeightsError(f"what was prepared does not fit {request.spec.name}: {reason}; prepare again") from error
    return Learned(method, known, tuple(state.values.get("warnings", ())), plain)


def blocks_of(request: Request, channels: Sequence[Stack], memory: Memory) -> list[list[Stack]]:
    """Return for each channel what is learned from: the whole of a small stack, the same blocks of large ones."""
    first = channels[0]
    if first.voxels.size <= memory.learned_from or not request.spec.takes_lazy(request.config):
        return [[each.in_memory()] for each in channels]
    regions = regions_of(first, memory.drawn, request.runtime.seed)
    if len(regions) == 1:  # a single block stands for the whole everywhere
        return [[each.in_memory()] for each in channels]
    return [[each.crop(*region).in_memory() for region in regions] for each in channels]


def _plain_method(request: Request, voxels: NDArray[Any]) -> tuple[str | None, tuple[str, ...]]:
    """Return what a constant stack is made with instead, and the words for it."""
    if not _is_constant(voxels):
        return None, ()
    plain = "linear" if request.spec.enlarges == 1 else "enlarge"
    if request.spec.name == plain:
        return plain, ()
    low = voxels[0].min()
    return plain, (f"the stack is constant ({low}), so {request.spec.name} was not used: {plain}",)


def _new_method(request: Request, plain: str | None) -> Method:
    if plain is None:
        return request.spec.create(request.config, request.runtime)
    spec = registry.get(plain)
    return spec.create(spec.config(), request.runtime)


def _is_constant(voxels: NDArray[Any]) -> bool:
    """Return whether all voxels are equal; of others, as much is read as shows it."""
    low = None
    for plane in planes_of(voxels):
        low = plane.min() if low is None else low
        if not (plane.min() == low == plane.max()):
            return False
    return True
