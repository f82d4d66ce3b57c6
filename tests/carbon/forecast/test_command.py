"""`jcenas forecast` and the training on one trace behind it."""

import datetime

import jax
import numpy as np
import pytest

from jcenas import cli
from jcenas.carbon.forecast import adapt, command, weights
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.typical_year import typical_year
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
QUICK = ForecastTraining(steps=4, chunk_steps=2, batch_size=8, learning_rate=1e-4)


@pytest.fixture(scope="module")
def trace():
    return typical_year("DE", key=jax.random.key(1), hours=24 * 130)


@pytest.fixture(scope="module")
def file(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "de.csv"
    lines = ["datetime_utc,intensity"]
    lines += [f"{time}Z,{value:.3f}" for time, value in zip(trace.times, trace.intensity_g_per_kwh, strict=True)]
    path.write_text("\n".join(lines))
    return path


def run(arguments, capsys):
    code = cli.parse(["forecast", *arguments])()
    assert code == 0
    return capsys.readouterr()


def test_table_and_errors(file, capsys):
    out = run(["--trace", str(file)], capsys).out
    assert "50 % interval" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("jcenas", "persistence", "7-day profile"))]
    errors = {row[0]: float(row[-5] if row[0] == "jcenas" else row[-4]) for row in rows}
    assert errors["jcenas"] < errors["persistence"]
    assert "MAPE % of 60 days" in out


def test_origin_hides_what_follows(file, trace, capsys):
    day = trace.start + datetime.timedelta(days=30)
    out = run(["--trace", str(file), "--origin", f"{day:%Y-%m-%dT%H:%MZ}"], capsys).out
    assert f"{day:%a %d %b %H:%M}" in out
    assert "30 days" in out


def test_what_is_said_of_a_time_without_a_zone_can_be_typed():
    with pytest.raises(InputError, match="has no time zone; write 2024-06-01T00:00Z for UTC") as said:
        command.parse_origin("2024-06-01")
    again = str(said.value).split("write ")[1].split()[0]
    assert command.parse_origin(again) == datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--plot", "a.jpg"], "--plot a.jpg: the file's name must end in .png"),
        (["--train", "--weights", "w"], "--weights w: the file's name must end in .npz"),
    ],
)
def test_what_cannot_be_written_is_refused_before_it_is_computed(flags, message):
    with pytest.raises(InputError, match=message):
        cli.parse(["forecast", *flags])


def test_plot(file, capsys, tmp_path):
    out = run(["--trace", str(file), "--plot", str(tmp_path / "plots" / "one.png")], capsys).out
    assert "one.png" in out
    assert (tmp_path / "plots" / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_train_writes_weights_that_forecast(file, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt, "RECIPE", QUICK)
    monkeypatch.setattr(adapt.train_on_trace, "__kwdefaults__", adapt.train_on_trace.__kwdefaults__ | {"recipe": QUICK})
    said = run(["--trace", str(file), "--train", "--weights", str(tmp_path / "own.npz")], capsys)
    assert "step 4/4  loss" in said.err
    again = run(["--trace", str(file), "--weights", str(tmp_path / "own.npz")], capsys).out
    assert said.out.splitlines()[-1] == again.splitlines()[-1]
    assert weights.load(tmp_path / "own.npz").linear is not None


@pytest.mark.slow
def test_training_on_a_trace_is_deterministic_and_calibrated(trace):
    first, second = (adapt.train_on_trace(trace, jax.random.key(7), recipe=QUICK) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert 0 <= float(first.share[0]) <= 1
    assert not np.array_equal(first.scale, np.ones((4, 7)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--zone", "XX"], "unknown zone 'XX'"),
        (["--trace", "missing.csv"], "missing.csv"),
        (["--origin", "yesterday"], "not a time"),
        (["--origin", "2023-05-01T00:00"], "no time zone"),
        (["--origin", "0001-01-01T00:00+14:00"], "not between the years"),
        (["--origin", "9999-12-31T23:00-14:00"], "not between the years"),
        (["--origin", "2001-01-01T00:00Z"], "needs 168 h of history"),
        (["--weights", "missing.npz"], "is no forecaster"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, message):
    with pytest.raises(InputError, match=message):
        cli.parse(["forecast", *arguments])()


def test_too_short_to_train(trace):
    with pytest.raises(InputError, match="too few to train"):
        adapt.train_on_trace(trace.slice(0, 24 * 100), jax.random.key(0))


def test_short_history_has_no_table_of_errors(trace):
    short = trace.slice(0, 200)
    report = command.run(short, origin=None, train=False, file=None, seed=0, say=print)
    assert report.errors == []
    assert len(command.rows_of(report.forecast)) == 17


def test_a_grid_without_emissions_is_forecast_without_error():
    history = CarbonTrace(start=START, intensity_g_per_kwh=np.zeros(24 * 20))
    report = command.run(history, origin=None, train=False, file=None, seed=0, say=print)
    errors = {row[0]: [float(cell) for cell in row[1:5]] for row in report.errors[1:]}
    assert errors["persistence"] == errors["7-day profile"] == [0, 0, 0, 0]
    assert max(errors["jcenas"]) < 1


def test_a_file_is_read_in_its_zone_and_unit_and_its_notes_are_shown(tmp_path):
    path = tmp_path / "zones.csv"
    hours = [START + datetime.timedelta(hours=i) for i in range(200)]
    path.write_text(
        "time,DE,FR\n" + "".join(f"{when:%Y-%m-%d %H:%M},{i},{2 * i + 50}\n" for i, when in enumerate(hours))
    )
    history = command.history_of(path, "US-CAL-CISO", 0, trace_zone="FR")
    assert (history.zone, history.intensity_g_per_kwh[1]) == ("FR", 52)
    report = command.run(history, origin=None, train=False, file=None, seed=0, say=print)
    assert "warning: the times say no time zone: taken as UTC" in report.notes
