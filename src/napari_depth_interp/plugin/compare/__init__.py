"""The dock widget "Compare methods": hide sections, restore them with several methods, see and score what comes out."""

from .widget import CompareMethods

__all__ = ["CompareMethods"]
