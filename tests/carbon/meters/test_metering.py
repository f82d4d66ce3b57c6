"""Recorded streams of counters by hand: who gets which joules, and when nobody does."""

import math
import re

import pytest

from jcenas.carbon.meters.meter import Counter, MeteredDevice
from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.meters.none import NoMeter
from jcenas.errors import InputError

GPU = MeteredDevice("gpu", 0, "toy")


class Stream:
    """A meter whose readings, and the clock's, are written beforehand: one row (time, *readings) a read."""

    name, measures = "stream", "what the test says"

    def __init__(self, counters, rows):
        self.counters, self.rows, self.closed = counters, rows, 0

    def open(self, devices):
        return self.counters

    def now(self):
        return self.rows[0][0]

    def read(self, places):
        row = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        if row[1] == "raises":
            raise OSError("gone\naway")
        return [row[1 + place] for place in places]

    def close(self):
        self.closed += 1


ONE = (Counter("GPU 0", (0,)),)


def metering(rows, counters=ONE, devices=1):
    """An open meter, and what it warned of; the first row is the reading at the begin."""
    stream, said = Stream(counters, list(rows)), []
    opened = Metering(stream, [GPU] * devices, warn=said.append, now=stream.now)
    return opened, said


def test_what_a_counter_counts_is_taken_once_and_adds_up():
    meter, said = metering([(0, 100.0), (0, 100.0), (2, 350.0), (3, 400.0), (5, 900.0)])
    meter.begin([0])
    taken = [meter.take(0) for _ in range(3)]
    assert taken == [250.0, 50.0, 500.0]
    assert sum(taken) == 900.0 - 100.0
    assert said == []


def test_at_rest_and_at_work_are_kept_apart():
    meter, _ = metering([(0, 0.0), (10, 100.0), (12, 400.0), (13, 410.0), (14, 420.0), (15, 430.0)])
    meter.begin([0])  # 100 J at rest
    meter.end([0])  # 300 J at work
    assert meter.take(0) == 300.0  # read at 410
    assert meter.take(0, at_rest=True) == 100.0 + 10.0 + 10.0
    assert meter.take(0) == 0.0
    assert meter.counted(0) == (430.0, 0)


def test_devices_of_one_counter_share_it_while_they_work():
    rows = [(0, 0.0), (1, 10.0), (2, 110.0), (3, 210.0), (4, 310.0), (5, 330.0), (5, 330.0)]
    meter, _ = metering(rows, [Counter("package-0", (0, 1))], devices=2)
    meter.begin([0])  # 10 J at rest, 5 for each
    meter.begin([1])  # 100 J for device 0 alone
    assert meter.take(0) == 100.0 + 50.0  # of 100 J for both
    assert meter.take(1) == 50.0 + 50.0
    meter.end([0, 1])  # 20 J for both
    assert (meter.take(0), meter.take(1)) == (50.0 + 10.0, 10.0)
    assert [meter.counted(device)[0] for device in (0, 1)] == [5 + 210, 5 + 110]
    assert not meter.alone(0)


def test_several_counters_of_a_device_are_summed():
    counters = [Counter("package-0", (0,)), Counter("package-1", (0,)), Counter("GPU", (1,))]
    rows = [(0, 0.0, 5.0, 1.0), (0, 0.0, 5.0, 1.0), (1, 30.0, 25.0, 201.0)]
    meter, _ = metering(rows, counters, devices=2)
    meter.begin([0, 1])
    assert (meter.take(0), meter.take(1)) == (50.0, 200.0)
    assert meter.alone(0)
    assert meter.alone(1)


def test_a_counter_that_begins_again_from_zero():
    counter = Counter("package-0", (0,), wraps_j=262_144.0)
    rows = [(0, 262_000.0), (0, 262_000.0), (10, 100.0), (20, 1_100.0), (20, 1_100.0), (20, 1_100.0)]
    meter, said = metering(rows, [counter])
    meter.begin([0])
    assert meter.take(0) == 244.0  # 144 to the end, and 100
    assert meter.take(0) == 1_000.0
    assert said == []
    meter.close()


def test_a_counter_that_may_have_begun_again_unseen_is_not_believed():
    counter = Counter("package-0", (0,), wraps_j=262_144.0)  # not before 26.2 s at 10 kW
    meter, said = metering([(0, 0.0), (0, 0.0), (27, 5_000.0), (28, 5_100.0)], [counter])
    meter.begin([0])
    assert [meter.take(0), meter.take(0)] == [None, 100.0]
    assert said == [
        "meter stream: package-0 was not read for 27 s, in which it may have begun again; energy is modelled where "
        "that happens (said once)"
    ]
    meter.close()


@pytest.mark.parametrize(
    ("stream", "taken", "warned"),
    [
        # lost and found: the reading after only begins anew
        ([(1, 10.0), (2, math.nan), (3, math.nan), (4, 50.0), (5, 70.0)], [10.0, None, None, None, 20.0], "no reading"),
        ([(1, 10.0), (2, "raises"), (3, 50.0), (4, 60.0)], [10.0, None, None, 10.0], "cannot be read .OSError: gone a"),
        ([(1, 10.0), (2, -1.0), (3, 50.0), (4, 60.0)], [10.0, None, None, 10.0], "no reading"),
        # asleep: the same twice, for longer than it ever keeps a value
        ([(1, 10.0), (2, 10.0), (3, 10.0), (4, 40.0), (5, 60.0)], [10.0, None, None, None, 20.0], "has stood still"),
        # the driver was loaded again
        ([(1, 10.0), (2, 3.0), (3, 23.0)], [10.0, None, 20.0], "ran backwards from 10 to 3 J"),
        ([(1, 10.0), (2, 5e6), (3, 5_000_020.0)], [10.0, None, 20.0], "jumped from 10 to 5e.06 J"),
    ],
)
def test_readings_of_no_use_leave_the_interval_to_the_model_with_one_warning(stream, taken, warned):
    meter, said = metering([(0, 0.0), (0, 0.0), *stream])
    meter.begin([0])
    assert [meter.take(0) for _ in stream] == taken
    (line,) = said
    assert re.search(warned, line)
    assert "\n" not in line
    assert meter.counted(0)[1] >= taken.count(None)


def test_a_counter_that_is_slow_loses_nothing():
    """A reading before the next change is nothing yet; what was drawn comes with the change."""
    meter, said = metering([(0, 0.0), (0, 0.0), (0.04, 0.0), (0.08, 0.0), (0.12, 36.0), (0.16, 36.0)])
    meter.begin([0])
    assert [meter.take(0) for _ in range(4)] == [0.0, 0.0, 36.0, 0.0]
    assert said == []


def test_a_counter_lost_while_its_device_rests_leaves_the_work_known():
    meter, _ = metering([(0, 0.0), (1, math.nan), (2, 5.0), (3, 25.0)])
    meter.begin([0])  # what was drawn at rest is not known
    assert meter.take(0) is None  # the first reading after
    assert meter.take(0) == 20.0
    assert meter.take(0, at_rest=True) is None


def test_what_is_put_back_is_taken_again():
    meter, _ = metering([(0, 0.0), (0, 0.0), (1, 30.0), (2, 50.0), (3, 60.0), (4, 70.0)])
    meter.begin([0])
    meter.put_back(0, meter.take(0))
    assert meter.take(0) == 50.0
    meter.put_back(0, None)
    assert meter.take(0) is None
    assert meter.take(0) == 10.0


def test_without_a_counter_nothing_is_known():
    meter = Metering(NoMeter(), [GPU, GPU])
    meter.begin([0])
    meter.put_back(0, None)
    assert meter.take(0) is None
    assert meter.updates_s() == 0.0
    assert not meter.alone(0)
    meter.close()


def test_a_counter_that_wraps_is_read_in_time_by_itself():
    counter = Counter("package-0", (0,), wraps_j=1.0)
    stream = Stream([counter], [(0, 0.0), (0, 0.5), (0, 0.6)])
    meter = Metering(stream, [GPU], now=stream.now)
    assert meter._thread.daemon
    meter.close()
    meter._thread.join(5)
    assert not meter._thread.is_alive()
    assert stream.closed == 1


def test_a_meter_that_cannot_be_opened_is_one_line():
    class Fails(Stream):
        def open(self, devices):
            raise RuntimeError("two\nlines")

    with pytest.raises(InputError, match=r"meter stream cannot be opened \(RuntimeError: two lines\)"):
        Metering(Fails([], []), [GPU])
    with pytest.raises(InputError, match=r"meter stream counts devices \[0\], and the run has 2"):
        metering([(0, 0.0)], devices=2)
