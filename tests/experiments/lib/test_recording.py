"""Records hold what was measured, whole, and nothing of the machine's folders."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lib import recording


def record(folder, **changes):
    fields = {
        "title": "Speed",
        "command": "python -m experiments.speed",
        "columns": ["what", "ms"],
        "rows": [["sort", 1.5], ["fft", None]],
        "devices": ["cpu: cpu"],
        "folder": folder,
    }
    return recording.record("speed", **(fields | changes))


def test_a_record_comes_back_whole(tmp_path):
    path = record(tmp_path, notes=["quiet machine"], expected="under 2 ms")
    assert path == tmp_path / "speed.json"
    (name, result), *rest = recording.load(tmp_path).items()
    assert (name, rest) == ("speed", [])
    assert result["rows"] == [["sort", 1.5], ["fft", None]]
    assert (result["notes"], result["expected"]) == (["quiet machine"], "under 2 ms")
    environment = result["environment"]
    assert environment["versions"]["jax"] == jax.__version__
    assert environment["versions"]["numpy"] == np.__version__
    assert environment["devices"] == ["cpu: cpu"]
    assert environment["date_utc"].endswith("+00:00")
    assert environment["cores"] >= 1
    assert result["commit"] is None or len(result["commit"]) >= 10
    assert "experiments.lib.recording" in result["code"]["modules"]
    assert recording.origin(result, 1)["date_utc"] == environment["date_utc"]
    assert "older" not in result
    made = {"date_utc": "2026-11-22", "commit": None, "code": None}
    mixed = json.loads(record(tmp_path, older=[None, made]).read_text())
    assert recording.origin(mixed, 1) == made


def test_scalars_of_arrays_become_plain_numbers(tmp_path):
    path = record(tmp_path, rows=[[np.str_("sort"), np.float32(0.5)], ["fft", jnp.asarray(3, jnp.int32)]])
    assert json.loads(path.read_text())["rows"] == [["sort", 0.5], ["fft", 3]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [["sort"]]}, "1 cells for 2 columns"),
        ({"rows": [["sort", float("nan")]]}, "record None"),
        ({"rows": [["sort", [1, 2]]]}, "list"),
        ({"notes": [f"data in {pathlib.Path.cwd()}/data"]}, "path of this machine"),
    ],
)
def test_a_bad_record_is_refused_and_leaves_the_old_one(tmp_path, changes, message):
    before = record(tmp_path).read_text()
    with pytest.raises(ValueError, match=message):
        record(tmp_path, **changes)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"speed.json": before}


def test_environment_asks_jax_for_its_devices():
    assert recording.environment()["devices"] == [f"cpu: {device.device_kind}" for device in jax.devices()]


def test_time_compiled_traces_once_and_counts_the_calls():
    traces = 0

    def double(x):
        nonlocal traces
        traces += 1
        return 2 * x

    seen = []

    def next_args(args, outputs):
        seen.append(float(outputs))
        return (outputs,)

    times = recording.time_compiled(double, jnp.float32(1), repeats=4, warmup=2, next_args=next_args)
    assert traces == 1
    assert seen == [2, 4, 8, 16, 32, 64]
    assert 0 < times["min_s"] <= times["q1_s"] <= times["median_s"] <= times["q3_s"]
    assert times["trace_s"] > 0
    assert times["compile_s"] > 0


def test_time_compiled_takes_a_donating_function():
    step = jax.jit(lambda state: state + 1, donate_argnums=0)
    times = recording.time_compiled(step, jnp.zeros(8), repeats=3, next_args=lambda args, outputs: (outputs,))
    assert times["median_s"] < 1
