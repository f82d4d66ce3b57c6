"""Joules of one inference by hand: calls that are counted, and counters that are of no use."""

import math

import pytest

from jcenas.errors import InputError
from jcenas.live import programs, timing
from jcenas.live.programs import DevicePrograms

BATCH = 64


class Hand:
    """A meter whose joules rise by 6.4 a call, and whose readings are of no use in the first tries."""

    name = "hand"

    def __init__(self, bad=0, updates_s=0.0):
        self.bad, self.calls, self.troubles, self.reads, self._updates_s = bad, 0, 0, 0, updates_s

    def updates_s(self):
        return self._updates_s

    def counted(self, device):
        assert device == 3
        self.reads += 1
        if self.reads % 2 == 0 and self.reads <= 2 * self.bad:
            self.troubles += 1
        return 6.4 * self.calls, self.troubles


@pytest.fixture
def measure(monkeypatch):
    """The joules of an inference of a network that takes 10 ms a call, by a clock that stands still otherwise."""
    now = [0.0]
    monkeypatch.setattr(programs.time, "perf_counter", lambda: now[0])
    device = object.__new__(DevicePrograms)

    def of(meter):
        def infer():
            now[0] += 0.01
            meter.calls += 1

        device._inference = lambda genome, batch: infer
        return device.inference_energy_j((0,), BATCH, meter, device=3)

    return of


def test_the_rise_between_two_readings_is_shared_among_the_images(measure):
    meter = Hand()
    assert measure(meter) == pytest.approx(0.1)
    assert 100 <= meter.calls <= 103  # a second of them, and one to warm up
    slow = Hand(updates_s=0.2)
    assert measure(slow) == pytest.approx(0.1)
    assert 400 <= slow.calls <= 403  # twenty changes of the counter


def test_readings_of_no_use_are_tried_again_and_then_given_up(measure):
    assert measure(Hand(bad=2)) == pytest.approx(0.1)
    assert math.isnan(measure(Hand(bad=3)))


def test_a_search_cannot_begin_without_a_reading(monkeypatch):
    device = object.__new__(DevicePrograms)
    device.inference_energy_j = lambda genome, batch, meter, device: math.nan
    with pytest.raises(InputError, match="meter hand gives no readings that could be used"):
        timing._cost_of(device, 1, Hand(), (0,))
