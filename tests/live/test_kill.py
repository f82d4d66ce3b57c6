"""A search killed by the operating system goes on where it was: through the command line, as a user would."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

SMALL = (
    "--name run --hours 24 --hour-seconds 0.3 --channels 4 --epochs 3 --supernet-epochs 2 --batch-size 128 "
    "--proposals 8 --devices 1 --policy static:0.7 --optimizer random --stage one-shot --reference-error 1"
)


@pytest.fixture(autouse=True)
def soon(compiled_soon, monkeypatch):
    """What is started compiles as the session does: most of what a kill waits for."""
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
        if name in compiled_soon:
            monkeypatch.setenv(name, compiled_soon[name])


def start(folder, arguments):
    environment = dict(os.environ, GLIBC_TUNABLES="")
    command = [sys.executable, "-m", "jcenas.cli", "search", "--quiet", "--no-report", *arguments.split()]
    with (folder / "said").open("w") as said:
        return subprocess.Popen(command, env=environment, cwd=folder, stderr=said)


def ask(folder, query):
    database = folder / "runs" / "run" / "run.db"
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def wait_for(process, folder, query, limit_s=240):
    end = time.monotonic() + limit_s
    while time.monotonic() < end and process.poll() is None:
        rows = ask(folder, query)
        if rows and rows[0][0]:
            return
        time.sleep(0.02)
    raise AssertionError(f"{query}: did not come to pass; {(folder / 'said').read_text()}")


def kill_at(moment, process, folder, known):
    """Kill a search when a query is true; its evaluations, with which all that were known must be."""
    wait_for(process, folder, moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rows = dict(ask(folder, "SELECT proposal, validation_error FROM evaluations"))
    assert known.items() <= rows.items()
    return rows


@pytest.mark.slow
def test_kill_dash_nine_loses_no_evaluation_and_repeats_none(tmp_path):
    process = start(tmp_path, SMALL)
    known, emissions = {}, 0.0
    moments = (
        "SELECT COUNT(*) FROM intervals WHERE purpose = 'supernet'",  # while the supernet trains
        "SELECT COUNT(*) FROM proposals WHERE status = 'training'",  # while a candidate trains
        "SELECT COUNT(*) >= 2 FROM evaluations",
    )
    for moment in moments:
        rows = kill_at(moment, process, tmp_path, known)
        spent = ask(tmp_path, "SELECT SUM(emissions_g) FROM intervals")[0][0]
        assert spent >= emissions
        known, emissions = rows, spent
        process = start(tmp_path, "--resume runs/run")
    assert process.wait(240) == 0, (tmp_path / "said").read_text()
    rows = ask(tmp_path, "SELECT proposal, validation_error FROM evaluations")
    assert known.items() <= dict(rows).items()
    assert len(rows) == len(dict(rows)) > len(known)
    by_hour = ask(tmp_path, "SELECT SUM(emissions_g) FROM hours")[0][0]
    assert by_hour == pytest.approx(ask(tmp_path, "SELECT SUM(emissions_g) FROM intervals")[0][0])


@pytest.mark.slow
def test_kill_dash_nine_while_two_train_side_by_side(tmp_path):
    pair = SMALL.replace("one-shot", "none").replace("static:0.7", "evaluate-all").replace("0.3", "5")
    process = start(tmp_path, f"{pair} --side-by-side 2 --evaluations 7")
    known = {}
    moments = (
        "SELECT COUNT(*) >= 2 FROM proposals WHERE status = 'training'",
        "SELECT COUNT(*) >= 3 FROM evaluations",
    )
    for moment in moments:
        known = kill_at(moment, process, tmp_path, known)
        process = start(tmp_path, "--resume runs/run")
    assert process.wait(240) == 0, (tmp_path / "said").read_text()
    rows = ask(tmp_path, "SELECT proposal, validation_error FROM evaluations")
    assert known.items() <= dict(rows).items()
    assert len(rows) == len(dict(rows)) >= 7
    for column in ("seconds", "emissions_g"):  # each second of the device is somebody's, once
        spent = "FROM intervals WHERE purpose = 'candidate'"
        alone = ask(tmp_path, f"SELECT COALESCE(SUM({column}), 0) {spent} AND proposal IS NOT NULL")[0][0]
        shared = ask(tmp_path, f"SELECT SUM({column} * share) FROM intervals JOIN shares ON id = interval")[0][0]
        assert shared > 0
        assert alone + shared == pytest.approx(ask(tmp_path, f"SELECT SUM({column}) {spent}")[0][0], rel=1e-9)
    by_hour = ask(tmp_path, "SELECT SUM(emissions_g) FROM hours")[0][0]
    assert by_hour == pytest.approx(ask(tmp_path, "SELECT SUM(emissions_g) FROM intervals")[0][0])


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_prints_the_way_on(tmp_path):
    process = start(tmp_path, SMALL)
    wait_for(process, tmp_path, "SELECT COUNT(*) FROM proposals WHERE status = 'training'")
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert (tmp_path / "said").read_text().splitlines()[
        -1
    ] == "interrupted; go on with: jcenas search --resume runs/run"
    assert ask(tmp_path, "SELECT value FROM meta WHERE key = 'status'") == [('"interrupted"',)]
    started = ask(tmp_path, "SELECT COUNT(*) FROM proposals WHERE status IN ('training', 'done')")[0][0]
    assert started >= 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_any_moment_of_its_start_it_ends_and_leaves_nothing_half_done(tmp_path, number):
    for tenths in (5, 10, 20, 40):
        process = start(tmp_path, SMALL)
        time.sleep(tenths / 10)
        process.send_signal(number)
        code = process.wait(120)
        assert code in {1, 130, -number}, tenths  # 1 or the signal: the interpreter itself was still starting
        assert code != 130 or "Traceback" not in (tmp_path / "said").read_text()
        runs = list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else []
        assert not runs or ask(tmp_path, "SELECT value FROM meta WHERE key = 'status'") == [('"interrupted"',)]
        if runs:
            return  # it had begun, and can go on
