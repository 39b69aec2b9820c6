"""Several processes that train together, one per GPU, started by ``accelerate launch``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..method import Runtime

if TYPE_CHECKING:
    from accelerate import Accelerator


def accelerator(runtime: Runtime) -> Accelerator | None:
    """Return Hugging Face accelerate's accelerator if this process is one of several."""
    from accelerate.utils import get_int_from_env

    if get_int_from_env(["WORLD_SIZE"], 1) <= 1:
        return None
    from accelerate import Accelerator

    return Accelerator(cpu=runtime.device == "cpu")


def is_main_process() -> bool:
    """Return whether this process writes what all of them have learned; one alone does."""
    return os.environ.get("RANK", "0") == "0"
