"""The ways a volume can be turned round without the lattice changing, for means over several views of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .lattice import Lattice


@dataclass(frozen=True)
class View:
    """A volume (B, C, Z, Y, X) mirrored along some axes, then with rows and columns exchanged or not."""

    mirrored: tuple[int, ...] = ()
    exchanged: bool = False

    def do(self, volume: Tensor) -> Tensor:
        """Return the volume so."""
        seen = volume.flip(self.mirrored)
        return seen.transpose(3, 4) if self.exchanged else seen

    def undo(self, volume: Tensor) -> Tensor:
        """Return it as it was."""
        seen = volume.transpose(3, 4) if self.exchanged else volume
        return seen.flip(self.mirrored)


def views(lattice: Lattice, count: int) -> list[View]:
    """Return the first of eight views, the least alike first.

    Sections that are the first of their block cannot be mirrored along z: rows and columns are exchanged instead.
    """

    if lattice.means:
        views = [View(), View((2, 3, 4)), View((2,)), View((3, 4)), View((3,)), View((2, 4)), View((4,)), View((2, 3))]
    else:
        plain = [(), (3, 4), (3,), (4,)]
        views = [View(each, exchanged) for each in plain for exchanged in (False, True)]
        views = [*views[::2], *views[1::2]]
    return views[:count]
