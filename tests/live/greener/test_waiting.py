"""Python functions that wait for their hours: on a clock that jumps."""

import threading

import pytest

import jcenas
from jcenas.errors import InputError
from jcenas.live.greener import decorator, waiting
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import ask_here
from jcenas.live.greener.virtual import VirtualClock
from jcenas.live.greener.waiting import GreenWait

HOUR = 3600.0


@pytest.fixture
def made(grid_of, monkeypatch):
    """Makes a `GreenWait` on a toy grid and a clock that jumps."""

    def make(values, **given):
        monkeypatch.setattr(waiting, "open_grid", lambda config, now, say: (grid_of(values), 0.0))
        config = GreenerConfig(
            **{"forecast": "actual", "margin": "0s", "pause_cost": "0s", "power": 1000, "pue": 1} | given
        )
        said = []
        return GreenWait(config, say=said.append, clock=VirtualClock(), ask=ask_here), said

    return make


def test_waits_for_the_green_hour(made):
    green, said = made([300, 300, 100, 300], work="1h", deadline="4h")
    green.wait()
    assert green.now_s() == 2 * HOUR
    green.ran(green.now_s(), green.now_s() + HOUR)
    assert green.account().spent_g == pytest.approx(100)
    assert green.account().saved_g == pytest.approx(200)
    assert said == ["waits, until Mon 02:00 UTC or later"]


def test_work_that_overlaps_counts_once(made):
    green, _ = made([100, 200, 300, 300], work="2h", deadline="4h")
    green.ran(0, HOUR)
    green.ran(HOUR / 2, 1.5 * HOUR)
    green.ran(2 * HOUR, 3 * HOUR)
    assert green.account().spent_g == pytest.approx(100 + 100 + 300)
    green.ran(0, 3 * HOUR)
    assert green.account().spent_g == pytest.approx(600)


def test_work_beyond_its_plan_waits_no_more(made):
    green, said = made([900, 900, 100, 100], work="1h", deadline="4h")
    green.ran(0, HOUR)
    green.wait()
    assert green.now_s() == 0
    assert said == []


def test_an_account_can_be_read_while_somebody_waits(made):
    green, _ = made([900, 100, 100, 100], work="1h", deadline="4h")
    began, ended = threading.Event(), threading.Event()

    class Slow(VirtualClock):
        def wait(self, until_s, changes):
            began.set()
            assert ended.wait(10)
            super().wait(until_s, changes)

    green._clock = Slow()
    thread = threading.Thread(target=green.wait)
    thread.start()
    assert began.wait(10)
    green.ran(0, 60)  # neither waits for the thread
    assert green.account().spent_g > 0
    ended.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_decorator_waits_and_reports(made, monkeypatch):
    green, said = made([300, 100, 300], work="1h", deadline="3h")
    monkeypatch.setattr(decorator, "GreenWait", lambda config, say: green)

    @jcenas.greenest(work="1h", deadline="3h", say=said.append)
    def train(rate, *, epochs):
        """Learn."""
        green._clock.advance(HOUR)
        return rate, epochs, green.now_s()

    assert train(0.1, epochs=3) == (0.1, 3, 2 * HOUR)
    assert (train.__name__, train.__doc__) == ("train", "Learn.")
    assert said[-1] == "train: 100 gCO2eq spent, 200 g (67%) saved against starting at once (300 g)"


def test_the_decorator_lets_errors_through_and_charges_them(made, monkeypatch):
    green, said = made([100, 300, 300], work="1h", deadline="3h")
    monkeypatch.setattr(decorator, "GreenWait", lambda config, say: green)

    @jcenas.greenest(work="1h", deadline="3h", say=said.append)
    def fail():
        green._clock.advance(HOUR)
        raise KeyError("of the function")

    with pytest.raises(KeyError, match="of the function"):
        fail()
    assert said == ["fail: 100 gCO2eq spent, 0 g (0%) saved against starting at once (100 g)"]


def test_the_decorator_refuses():
    with pytest.raises(InputError, match="--deadline 1h cannot be met"):
        jcenas.greenest(work="3h", deadline="1h")

    async def later():
        pass

    with pytest.raises(InputError, match="later is a coroutine"):
        jcenas.greenest(work="1h", deadline="3h")(later)
