"""Why nothing is held back of some data, in words for the user."""

from __future__ import annotations

from ..method import MethodConfig, MethodSpec
from ..nn.contract import TrainingData


def why_nothing_is_held_back(spec: MethodSpec, config: MethodConfig, data: TrainingData) -> str:
    """Return why a training on these data is not validated, and what to do; for when it is not.

    Parameters
    ----------
    spec, config
        The method with its parameters.
    data : TrainingData
    """
    share = float(getattr(config, "validation_share", 0.0))
    files = len(dict.fromkeys(data.files))
    if share == 0:
        return "the validation share is 0"
    if spec.enhances and not data.targets:
        return "noisy images have no truth to be compared with; give pairs, in the folders 'noisy' and 'clean'"
    count = "one file" if files == 1 else f"{files} files"
    if spec.enhances:
        return f"{share:g} of {count} makes no whole file; give more pairs, or a larger validation share"
    return (
        f"{share:g} of {count} makes no whole file, and {'it is' if files == 1 else 'they are'} too small for a part "
        "to be cut off; give more or larger stacks"
    )
