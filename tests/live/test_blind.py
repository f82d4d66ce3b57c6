"""The same work blind to the grid, by hand: 1 W is 1 g in a second at 3,600,000 g/kWh; here an hour lasts 10 s."""

import datetime

import numpy as np
import pytest

from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.live.blind import blind_emissions_g

POWER = PowerModel(training_w=4.0, scoring_w=2.0, idle_w=1.0, compiling_w=3.0, pue=2.0)
UNIT = 3.6e6


def blind(values, *, devices, before_s=None, trainings_s=()):
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    trace = CarbonTrace(start=start, intensity_g_per_kwh=UNIT * np.array(values))
    work = {"before_s": before_s or {}, "trainings_s": trainings_s, "devices": devices, "hour_s": 10.0}
    return blind_emissions_g(trace, POWER, **work)


def test_one_device_without_pause():
    # 5 s of training in hour 0 at 1, 5 s there and 5 s in hour 1 at 3, 2 s in hour 1. The PUE doubles all.
    assert blind([1.0, 3.0, 9.0], devices=1, trainings_s=[5.0, 10.0, 2.0]) == pytest.approx(2 * 4 * (10 + 7 * 3))


def test_what_comes_before_is_shared_by_all_devices():
    # 12 device-seconds of supernet: 4 s of three devices; 9 of scoring: 3 s; then 3 s of trainings in hour 0.
    got = blind([1.0, 5.0], devices=3, before_s={"training": 12.0, "scoring": 9.0}, trainings_s=[3.0, 3.0, 3.0])
    assert got == pytest.approx(2 * (12 * 4 + 9 * 2 + 9 * 4))


def test_the_first_free_device_takes_the_next_training_and_the_last_is_waited_for():
    # Device 0: 8 s, to 8. Device 1: 2 s, then 9 s to 11, of which one second in hour 1. Device 0 idles 3 s, one at 10.
    got = blind([1.0, 10.0], devices=2, trainings_s=[8.0, 2.0, 9.0])
    assert got == pytest.approx(2 * (4 * (8 + 2 + 8 + 1 * 10) + 1 * (2 + 1 * 10)))


def test_a_device_without_work_idles_through():
    assert blind([1.0, 1.0], devices=3, trainings_s=[6.0]) == pytest.approx(2 * (4 * 6 + 2 * 6))


def test_nothing_emits_nothing():
    assert blind([1.0], devices=4) == 0.0


def test_behind_its_end_the_trace_has_nothing_to_charge():
    assert blind([1.0], devices=1, trainings_s=[15.0]) == pytest.approx(2 * 4 * 10)
