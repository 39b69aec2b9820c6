"""``python -m napari_depth_interp`` is the command line."""

import sys

from .cli import main

sys.exit(main())
