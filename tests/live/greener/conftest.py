import datetime
import signal

import numpy as np
import pytest

from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C works, also where the tests run in the background of a shell, which ignores it for them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def grid_of():
    """A grid of given hourly intensities, with the day before."""

    def make(values, before=()):
        trace = CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), zone="TOY")
        return GridHours(trace, np.array(before, float), float(np.mean(values)))

    return make
