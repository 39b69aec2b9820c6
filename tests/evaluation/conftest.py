"""A stack of noise."""

import numpy as np
import pytest
from making import make


@pytest.fixture
def noise():
    return make(np.random.default_rng(0).random((1, 1, 7, 12, 13)))
