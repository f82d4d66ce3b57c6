import datetime

import numpy as np
import pytest

from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _interruptible(interruptible):
    """All tests of this folder."""


@pytest.fixture
def grid_of():
    """A grid of given hourly intensities, with the day before."""

    def make(values, before=()):
        trace = CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), zone="TOY")
        return GridHours(trace, np.array(before, float), float(np.mean(values)))

    return make
