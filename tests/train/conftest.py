"""What tests of a user's own images share."""

import numpy as np
import pytest

from jcenas.errors import InputError


@pytest.fixture
def pictures():
    """Make n random images and labels of some classes, one after the other."""

    def make(rng, n=30, side=8, channels=0, classes=3):
        shape = (n, side, side, channels) if channels else (n, side, side)
        return rng.integers(0, 256, shape).astype(np.uint8), np.arange(n) % classes

    return make


@pytest.fixture
def refusal():
    """Call what must refuse, and return its one line."""

    def said_by(read, *arguments, **options):
        with pytest.raises(InputError) as said:
            read(*arguments, **options)
        assert "\n" not in str(said.value)
        return str(said.value)

    return said_by
