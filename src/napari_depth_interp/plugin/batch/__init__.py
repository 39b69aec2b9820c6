"""The dock widget "Batch folder": one method on every file of a folder."""

from .widget import BatchFolder

__all__ = ["BatchFolder"]
