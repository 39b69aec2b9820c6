"""A run from its settings to its result: request, targets, tiles, outputs, estimate.

No method and no file format is defined here.
"""
