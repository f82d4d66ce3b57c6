import datetime
import time

import numpy as np
import pytest

from jcenas.carbon.power import STATES, PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.live.ledger import Ledger

POWER = PowerModel(training_w=3600.0, scoring_w=1800.0, idle_w=360.0, switching_w=7200.0, compiling_w=900.0, pue=2.0)
KWH_PER_TRAINING_SECOND = 2e-3  # 3600 W * 2 / 3.6e6 J


def trace(values=(100.0, 300.0, 200.0, 400.0)):
    start = datetime.datetime(2023, 6, 1, 12, tzinfo=datetime.UTC)
    return CarbonTrace(start=start, intensity_g_per_kwh=np.array(values))


def ledger(database, devices=1, **options):
    return Ledger(database, trace(), POWER, devices=devices, hour_seconds=10.0, **options)


def test_energy_and_emissions_by_hand(database):
    books = ledger(database)
    books.spend(0, "training", "candidate", 5.0, proposal=1)  # half of hour 0
    books.spend(0, "training", "candidate", 10.0, proposal=1)  # the other half, and half of hour 1
    assert books.clock[0] == pytest.approx(1.5)
    assert books.energy_kwh == pytest.approx(15 * KWH_PER_TRAINING_SECOND)
    assert books.emissions_g == pytest.approx(KWH_PER_TRAINING_SECOND * (10 * 100 + 5 * 300))
    spent = books.job(1)
    assert spent == pytest.approx((15.0, 0.03, 5.0))
    assert books.totals[0].seconds == pytest.approx(dict.fromkeys(STATES, 0.0) | {"training": 10.0})
    assert books.totals[1].emissions_g == pytest.approx(KWH_PER_TRAINING_SECOND * 5 * 300)


def test_idle_and_scoring_have_their_own_power(database):
    books = ledger(database)
    books.spend(0, "scoring", "scoring", 2.0)
    books.idle(0, 1.0)
    assert books.energy_kwh == pytest.approx(2 * 1e-3 + 8 * 2e-4)
    assert books.clock[0] == 1.0
    books.idle(0, 0.5)  # the past cannot be waited for
    assert books.clock[0] == 1.0


def test_every_state_has_its_power(database):
    books = ledger(database)
    for state in STATES:
        books.spend(0, state, state, 1.0)
    assert books.totals[0].seconds == dict.fromkeys(STATES, pytest.approx(1.0))
    assert books.energy_kwh == pytest.approx((1 + 1 / 2 + 1 / 10 + 2 + 1 / 4) * KWH_PER_TRAINING_SECOND)
    assert books.seconds_by_purpose() == dict.fromkeys(STATES, pytest.approx(1.0))
    assert books.device_seconds == pytest.approx(5.0)


def test_one_job_is_one_row_an_hour_and_the_rows_add_up(database):
    books = ledger(database)
    for _ in range(7):
        books.spend(0, "training", "candidate", 2.0, proposal=4)
    rows = database.rows("SELECT * FROM intervals ORDER BY id")
    assert len(rows) == 2  # hour 0 (with the chunk that crosses), hour 1
    assert sum(row["seconds"] for row in rows) == pytest.approx(14.0)
    assert sum(row["emissions_g"] for row in rows) == pytest.approx(books.emissions_g)


def test_the_books_are_restored_from_the_database(database):
    books = ledger(database, devices=2)
    books.spend(0, "training", "candidate", 12.0, proposal=1)
    books.spend(1, "scoring", "scoring", 3.0)
    again = ledger(database, devices=2)
    assert again.clock == pytest.approx([1.2, 0.3])
    assert again.emissions_g == pytest.approx(books.emissions_g, rel=1e-12)
    assert again.job(1) == pytest.approx(books.job(1))
    again.spend(0, "training", "candidate", 1.0, proposal=1)
    assert again.emissions_g > books.emissions_g


def test_what_was_charged_is_read_back_and_not_computed_anew(database):
    books = ledger(database)
    books.spend(0, "training", "candidate", 5.0, proposal=1)
    books.spend(0, "training", "candidate", 10.0, proposal=1)  # the one row of both reaches into hour 1
    books.standing(0, "scoring", "test", 4.0)
    dearer = PowerModel(training_w=7200.0, scoring_w=9.0, pue=1.0)
    again = Ledger(database, trace((900.0, 300.0, 900.0, 900.0)), dearer, devices=1, hour_seconds=10.0)
    for name in ("energy_kwh", "emissions_g", "device_seconds"):
        assert getattr(again, name) == pytest.approx(getattr(books, name), rel=1e-12)
    assert again.job(1) == pytest.approx(books.job(1))
    assert again.emissions_g == pytest.approx(database.value("SELECT SUM(emissions_g) FROM intervals"))


def test_trainings_in_the_order_of_their_end(database):
    books = ledger(database, devices=2)
    books.spend(0, "training", "supernet", 1.0)
    books.spend(0, "training", "candidate", 6.0, proposal=1)
    books.spend(1, "training", "candidate", 3.0, proposal=2)
    books.spend(0, "training", "candidate", 4.0, proposal=1)
    books.spend(1, "training", "candidate", 5.0, proposal=3)
    books.spend(1, "scoring", "latency", 5.0)
    assert books.trainings_s() == pytest.approx([3.0, 5.0, 10.0])


def test_a_device_that_trains_several_at_once_is_charged_once_and_they_share_evenly(database):
    books = ledger(database)
    books.spend(0, "training", "candidate", 6.0, (1, 2, 3))
    books.spend(0, "training", "candidate", 3.0, (1, 2, 3))  # the one row of both ends with hour 0
    books.spend(0, "training", "candidate", 4.0, (1, 3))  # 2 has left
    books.spend(0, "training", "candidate", 2.0, (3,))
    assert books.clock == pytest.approx([1.5])
    assert [books.job(proposal).seconds for proposal in (1, 2, 3)] == pytest.approx([3 + 2, 3, 3 + 2 + 2])
    grams = [KWH_PER_TRAINING_SECOND * g for g in (3 * 100 + 0.5 * 100 + 1.5 * 300, 3 * 100)]
    assert [books.job(proposal).emissions_g for proposal in (1, 2)] == pytest.approx(grams)
    for i, whole in enumerate((books.device_seconds, books.energy_kwh, books.emissions_g)):
        assert sum(books.job(proposal)[i] for proposal in (1, 2, 3)) == pytest.approx(whole, rel=1e-12)
    rows = database.rows("SELECT proposal, seconds FROM intervals ORDER BY id")
    assert [tuple(row) for row in rows] == [(None, pytest.approx(9)), (None, pytest.approx(4)), (3, pytest.approx(2))]
    assert books.trainings_s() == pytest.approx([3.0, 5.0, 7.0])
    again = ledger(database)
    for proposal in (1, 2, 3):
        assert again.job(proposal) == pytest.approx(books.job(proposal), rel=1e-12)


def standing(database):
    return [tuple(row) for row in database.rows("SELECT start_hour, end_hour, seconds FROM intervals ORDER BY id")]


def test_what_is_done_outside_the_hours_is_charged_and_moves_no_clock(database):
    books = ledger(database)
    books.standing(0, "compiling", "compiling", 40.0)  # four hours of the trace, if they were hours
    assert books.clock == [0.0]
    assert books.emissions_g == pytest.approx(40 * KWH_PER_TRAINING_SECOND / 4 * 100)
    books.spend(0, "training", "candidate", 12.0)
    books.standing(0, "scoring", "test", 2.0)  # in hour 1, at 300
    assert books.clock == pytest.approx([1.2])
    assert books.totals[1].seconds == pytest.approx(dict.fromkeys(STATES, 0.0) | {"training": 2.0, "scoring": 2.0})
    assert books.totals[1].emissions_g == pytest.approx(KWH_PER_TRAINING_SECOND * (2 + 2 / 2) * 300)
    assert books.seconds_by_purpose() == pytest.approx({"candidate": 12.0, "compiling": 40.0, "test": 2.0})
    assert books.seconds_by_purpose(in_hours=True) == pytest.approx({"candidate": 12.0})
    assert books.standing_g == pytest.approx(KWH_PER_TRAINING_SECOND * (10 * 100 + 1 * 300))
    assert standing(database)[0] == (0.0, 0.0, 40.0)
    books.standing(0, "scoring", "test", 0.0)
    assert len(standing(database)) == 3


def test_behind_the_end_the_last_intensity_holds(database):
    books = ledger(database)
    books.idle(0, 4.0)
    before = books.emissions_g
    books.standing(0, "scoring", "test", 1.0)
    assert books.emissions_g - before == pytest.approx(KWH_PER_TRAINING_SECOND / 2 * 400)
    assert books.clock == [4.0]


def test_standing_charges_are_restored(database):
    books = ledger(database, devices=2)
    books.standing(0, "compiling", "compiling", 7.0)
    books.standing(1, "compiling", "compiling", 7.0)
    books.spend(0, "training", "candidate", 15.0, proposal=1)
    books.standing(0, "training", "timing", 3.0)
    again = ledger(database, devices=2)
    assert again.clock == pytest.approx([1.5, 0.0])
    assert again.energy_kwh == pytest.approx(books.energy_kwh, rel=1e-12)
    assert {hour: total.seconds for hour, total in again.totals.items()} == {
        hour: pytest.approx(total.seconds) for hour, total in books.totals.items()
    }
    assert {hour: total.emissions_g for hour, total in again.totals.items()} == {
        hour: pytest.approx(total.emissions_g) for hour, total in books.totals.items()
    }
    assert again.job(1) == pytest.approx(books.job(1))


def test_in_real_time_what_is_done_outside_the_hours_moves_the_clock(database):
    books = Ledger(database, trace(), POWER, devices=1, hour_seconds=3600.0, real_time=True)
    books.standing(0, "compiling", "compiling", 36.0)
    assert books.clock[0] == pytest.approx(0.01)
    assert standing(database) == [(0.0, pytest.approx(0.01), pytest.approx(36.0))]
    assert books.standing_g == 0
    assert books.emissions_g == pytest.approx(36 * KWH_PER_TRAINING_SECOND / 4 * 100)


def test_more_devices_begin_where_the_others_stand(database):
    books = ledger(database)
    books.spend(0, "training", "candidate", 21.0, proposal=1)  # two hours and a tenth
    again = ledger(database, devices=3)
    assert again.clock == pytest.approx([2.1, 2.1, 2.1])
    again.spend(2, "training", "candidate", 5.0, proposal=2)
    spent = again.job(2)
    assert spent.emissions_g / spent.energy_kwh == pytest.approx(200)  # of hour 2, not of hour 0


def test_fewer_devices_go_on_and_who_comes_back_has_missed_hours(database):
    books = ledger(database, devices=2)
    for device in (0, 1):
        books.spend(device, "training", "candidate", 5.0, proposal=1 + device)
    books = ledger(database, devices=1)
    assert books.clock == pytest.approx([0.5])
    books.idle(0, 2.0)
    both = ledger(database, devices=2)
    assert both.clock == pytest.approx([2.0, 2.0])
    assert both.emissions_g == pytest.approx(books.emissions_g)
    both.spend(0, "training", "candidate", 3.0)
    assert ledger(database, devices=2).clock == pytest.approx([2.3, 2.0])  # nobody was away


def test_the_last_intensity_is_that_of_the_last_step(database):
    books = ledger(database)
    books.idle(0, 3.9)
    before = books.emissions_g
    books.spend(0, "training", "candidate", 5.0)  # the trace ends after one of these seconds
    assert books.clock[0] == 4.0
    assert books.emissions_g - before == pytest.approx(KWH_PER_TRAINING_SECOND * 1.0 * 400)


def test_in_real_time_the_wall_clock_rules(database):
    books = Ledger(database, trace(), POWER, devices=1, hour_seconds=3600.0, real_time=True)
    time.sleep(0.3)
    books.spend(0, "training", "candidate", 0.1)
    rows = database.rows("SELECT state, seconds FROM intervals ORDER BY id")
    assert [row["state"] for row in rows] == ["idle", "training"]
    assert rows[0]["seconds"] == pytest.approx(0.2, abs=0.15)


class Counted:
    """A meter with joules by hand, per device and whether it was at work; None: not known."""

    counters, name, measures = ("one",), "hand", "what the test says"

    def __init__(self, *joules, rest=()):
        self.joules, self.rest, self.said = list(joules), list(rest), []

    def take(self, device, *, at_rest=False):
        return (self.rest if at_rest else self.joules).pop(0)

    def begin(self, devices):
        self.said.append(("begin", *devices))

    def end(self, devices):
        self.said.append(("end", *devices))


def rows_of(database, *names):
    return [tuple(row) for row in database.rows(f"SELECT {', '.join(names)} FROM intervals ORDER BY id")]


def test_what_a_meter_counted_is_charged_with_the_pue_instead_of_the_model(database):
    books = ledger(database, meter=Counted(7_200.0, 3_600.0, 360.0, 0.0))
    books.spend(0, "training", "candidate", 5.0, proposal=1)  # hour 0: 7.2 kJ, 4 Wh with PUE
    books.spend(0, "training", "candidate", 10.0, proposal=1)  # hours 0 and 1, half each: 3.6 kJ, 2 Wh
    books.spend(0, "training", "candidate", 1.0, proposal=1)  # hour 1: 0.36 kJ, 0.2 Wh
    books.spend(0, "training", "candidate", 1.0, proposal=1)  # hour 1: nothing that the counter has shown yet
    rows = [(7_200.0, 18_000.0, 5.0), (3_600.0, 36_000.0, 10.0), (360.0, 7_200.0, 2.0)]  # what crosses stands alone
    assert rows_of(database, "measured_j", "modelled_j", "seconds") == [pytest.approx(row) for row in rows]
    assert books.energy_kwh == pytest.approx(6.2e-3)
    assert books.emissions_g == pytest.approx(4e-3 * 100 + 1e-3 * (100 + 300) + 2e-4 * 300)
    assert books.job(1) == pytest.approx((17.0, 6.2e-3, 0.86))
    assert books.totals[1].energy_kwh == pytest.approx(1.2e-3)
    assert books.measured() == pytest.approx((17.0, 11_160.0, 61_200.0))
    assert books.mean_power().training_w == pytest.approx(11_160 / 17)
    assert books.mean_power().scoring_w == POWER.scoring_w
    assert books.described() == {"name": "hand", "measures": "what the test says"}


def test_where_the_meter_does_not_know_the_model_is_charged_in_a_row_of_its_own(database):
    books = ledger(database, meter=Counted(1_800.0, None, 900.0))
    for _ in range(3):
        books.spend(0, "training", "candidate", 2.0, proposal=1)
    measured, modelled = zip(*rows_of(database, "measured_j", "modelled_j"), strict=True)
    assert measured == (pytest.approx(1_800.0), None, pytest.approx(900.0))
    assert modelled == pytest.approx((7_200.0,) * 3)
    assert books.energy_kwh == pytest.approx(2 * (1_800 + 7_200 + 900) / 3.6e6)
    assert books.measured() == pytest.approx((4.0, 2_700.0, 14_400.0))


def test_idle_hours_that_nobody_waits_for_are_modelled_and_a_standing_charge_is_measured(database):
    books = ledger(database, meter=Counted(360.0))
    books.idle(0, 1.0)  # asks no meter: its list would be empty
    books.standing(0, "scoring", "test", 4.0)  # in hour 1, at 300
    assert rows_of(database, "measured_j", "modelled_j") == [(None, 3_600.0), (360.0, 7_200.0)]
    assert books.emissions_g == pytest.approx(2 * (3_600 * 100 + 360 * 300) / 3.6e6)


def test_in_real_time_the_wait_is_measured(database):
    meter = Counted(50.0, rest=[7.0])
    books = Ledger(database, trace(), POWER, devices=1, hour_seconds=3600.0, real_time=True, meter=meter)
    time.sleep(0.3)
    with books.working(0), books.resting(0):
        pass
    books.spend(0, "training", "candidate", 0.1)
    assert rows_of(database, "state", "measured_j") == [("idle", pytest.approx(7.0)), ("training", pytest.approx(50.0))]
    assert meter.said == [("begin", 0), ("end", 0), ("begin", 0), ("end", 0)]


def test_measured_books_are_restored(database):
    books = ledger(database, meter=Counted(7_200.0, 3_600.0, 100.0))
    books.spend(0, "training", "candidate", 5.0, proposal=1)
    books.spend(0, "training", "candidate", 10.0, proposal=1)
    books.standing(0, "scoring", "test", 4.0)
    again = ledger(database)  # the meter is gone
    assert again.emissions_g == pytest.approx(books.emissions_g, rel=1e-12)
    assert again.totals[1].energy_kwh == pytest.approx(books.totals[1].energy_kwh, rel=1e-12)
    assert again.job(1) == pytest.approx(books.job(1))
    assert again.described()["name"] == "hand"
    again.spend(0, "training", "candidate", 1.0, proposal=1)
    assert rows_of(database, "measured_j")[-1] == (None,)


def test_times_are_utc(database):
    assert ledger(database).time_utc(2.5) == "2023-06-01T14:30:00Z"
