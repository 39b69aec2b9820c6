"""The dock widget "Depth interpolation": choose a stack, a target and a method; run; see; score."""

from .widget import DepthInterpolation

__all__ = ["DepthInterpolation"]
