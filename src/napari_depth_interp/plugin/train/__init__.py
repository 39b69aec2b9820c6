"""The dock widget "Train a model": learn from dense stacks, watch, pause, stop; keep, carry and share models."""

from .widget import TrainModel

__all__ = ["TrainModel"]
