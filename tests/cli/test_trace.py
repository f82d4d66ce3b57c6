"""One reader behind every command: several zones and several columns are chosen by the same flags."""

import pytest

from jcenas.cli.main import command_of
from jcenas.engine.grid import choose
from jcenas.errors import InputError
from jcenas.sim.config import SimulateConfig
from jcenas.sim.run import simulate

HOURS = 30


@pytest.fixture
def two_zones(tmp_path):
    path = tmp_path / "two.csv"
    rows = [f"2023-01-{1 + h // 24:02d}T{h % 24:02d}:00Z,{100 + h},{500 + h}\n" for h in range(HOURS)]
    path.write_text("datetime,DE,FR\n" + "".join(rows))
    return path


def test_trace_asks_for_the_zone_and_takes_it(two_zones, capsys):
    with pytest.raises(InputError, match=r"a column for each zone \(DE, FR\); choose one with --zone"):
        command_of(["trace", str(two_zones)]).run()
    assert command_of(["trace", str(two_zones), "--zone", "FR"]).run() == 0
    assert "514.5" in capsys.readouterr().out  # the mean of 500 to 529


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trace", "--column", "DE"], "--column DE: there is no trace file to take it from"),
        (["trace", "--days", "5"], "--days needs --provider"),
        (["trace", "--start", "2023-01-01T00:00Z"], "--start needs --provider"),
        (["forecast", "--column", "DE"], "--column DE: there is no trace file to take it from"),
    ],
)
def test_flags_that_would_have_no_effect_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        command_of(words).run()


def test_the_hours_of_a_run_take_no_column_without_a_file():
    with pytest.raises(InputError, match="--column DE: there is no trace file"):
        choose(trace=None, zone="", start="", hours=4, column="DE")


@pytest.mark.slow
def test_simulate_takes_the_same_flags(two_zones):
    settings = {"trace": two_zones, "hours": 20, "seeds": 1, "optimizer": "random", "stage": "none", "devices": 2}
    with pytest.raises(InputError, match="choose one with --zone"):
        simulate(SimulateConfig(**settings))
    done = simulate(SimulateConfig(**settings, zone="DE"))
    assert done.intensity[0] == 100
    one = two_zones.with_name("one.csv")  # a file of one unnamed zone
    one.write_text("datetime,carbon_intensity\n" + "".join(f"2023-01-01T{h:02d}:00Z,{100 + h}\n" for h in range(24)))
    with pytest.raises(InputError, match="leave out --zone"):
        simulate(SimulateConfig(**{**settings, "trace": one}, zone="DE"))
