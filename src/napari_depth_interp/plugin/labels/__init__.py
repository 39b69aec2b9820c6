"""The dock widget "Interpolate labels": what is drawn on some sections is filled in on those between."""

from .widget import InterpolateLabels

__all__ = ["InterpolateLabels"]
