"""What two or more learned methods share. All but contract, recipe and noise_schedule import torch: import those
only when a method runs."""

import sys

# Torch looks for Triton, which is not needed here. Beside the LLVM of a software OpenGL driver, as a window may use
# it, loading Triton ends the process.
sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
