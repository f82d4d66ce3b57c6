import datetime
import time

import numpy as np
import pytest

from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.live.database import RunDatabase
from jcenas.live.ledger import Ledger

POWER = PowerModel(training_w=3600.0, scoring_w=1800.0, idle_w=360.0, pue=2.0)
KWH_PER_TRAINING_SECOND = 2e-3  # 3600 W * 2 / 3.6e6 J


@pytest.fixture
def database(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    yield database
    database.close()


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
    assert books.totals[0].seconds == pytest.approx({"training": 10.0, "scoring": 0.0, "idle": 0.0})
    assert books.totals[1].emissions_g == pytest.approx(KWH_PER_TRAINING_SECOND * 5 * 300)


def test_idle_and_scoring_have_their_own_power(database):
    books = ledger(database)
    books.spend(0, "scoring", "scoring", 2.0)
    books.idle(0, 1.0)
    assert books.energy_kwh == pytest.approx(2 * 1e-3 + 8 * 2e-4)
    assert books.clock[0] == 1.0
    books.idle(0, 0.5)  # the past cannot be waited for
    assert books.clock[0] == 1.0


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


def test_times_are_utc(database):
    assert ledger(database).time_utc(2.5) == "2023-06-01T14:30:00Z"
