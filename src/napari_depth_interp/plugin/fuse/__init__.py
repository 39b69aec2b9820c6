"""The dock widget "Fuse stacks": several thick stacks of one specimen become one volume."""

from .widget import FuseStacks

__all__ = ["FuseStacks"]
