"""Sections that lie displaced against each other: whether they do, by how much, and how they are moved back.

The registration is OpenCV's and scikit-image's; what is here knows which sections to compare, what of their motion is
jitter, and how a section is moved. It knows nothing of runs, methods or files of images.
"""

from .config import AlignConfig, Kind
from .estimation import estimate
from .jitter import JitterReport, check_jitter
from .transforms import Transforms

__all__ = ["AlignConfig", "JitterReport", "Kind", "Transforms", "check_jitter", "estimate"]
