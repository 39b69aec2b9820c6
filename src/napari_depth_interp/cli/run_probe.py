"""Fills a small stack and writes it, as ``depth-interp run`` does; run in a process of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Return 0 if a result was written, else 1 with the reason on standard error."""
    try:
        import numpy as np

        from ..api import interpolate

        sparse = np.arange(3 * 8 * 8, dtype="uint16").reshape(3, 8, 8)
        with tempfile.TemporaryDirectory(prefix="depth-interp-") as folder:
            interpolate(sparse, factor=2, z_spacing="1um", method="linear").save(Path(folder) / "dense.tif")
    except Exception as error:
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
