"""What each observer writes for one and the same search."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from jcenas.live.progress import (
    JsonLines,
    PlainLines,
    Progress,
    Quiet,
    RichPanel,
    Running,
    clock,
    make_observer,
    panel,
    plain_line,
    short_cell,
)

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|"
MOMENT = Progress(
    run="first [bold]",
    stage="search",
    hour=5,
    hours_total=24,
    time_utc="2024-06-01T08:00:00+00:00",
    intensity_g_per_kwh=214.6,
    evaluation_share=0.75,
    queued=4,
    halfway=1,
    running=(Running(0, CELL, 0.5),),
    evaluations=13,
    failed=1,
    best_accuracy=0.97222,
    hypervolume=0.12345,
    emissions_g=0.5217,
    carbon_budget_g=2.0,
    elapsed_s=45.2,
    left_s=3680.0,
    message="compiling [red]",
)
LINE = (
    "[0:45]  search  hour 5/24  2024-06-01 08:00Z  215 g/kWh  evaluate 75%  queue 4+1  trained 12 (1 failed)"
    "  best 97.22%  hypervolume 0.1235  0.522 gCO2eq of 2  left 1:01:20"
)


def moments():
    """A search whose landmarks are: start, hour 1, evaluation 1, failure, end of stage."""
    fields = [
        {},
        {"elapsed_s": 1.0},
        {"hour": 1},
        {"hour": 1, "running": (Running(0, CELL, 0.1),)},
        {"hour": 1, "evaluations": 1},
        {"hour": 1, "evaluations": 2, "failed": 1},
        {"hour": 1, "evaluations": 2, "failed": 1, "stage": "test"},
        {"hour": 1, "evaluations": 2, "failed": 1, "stage": "test", "elapsed_s": 9.0},
    ]
    return [Progress(**({"run": "r", "stage": "search"} | changes)) for changes in fields]


def show(observer):
    with observer:
        for moment in moments():
            observer.update(moment)
        observer.log("done", path="runs/r")


def test_line_by_hand():
    assert plain_line(MOMENT) == LINE
    assert plain_line(Progress(run="r", stage="supernet")) == "[0:00]  supernet  hour 0  queue 0+0  trained 0  0 gCO2eq"


def test_plain_lines_at_landmarks_only():
    stream = io.StringIO()
    show(PlainLines(stream))
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[1:3] for line in lines[:-1]] == [
        ["search", "hour 0"],
        ["search", "hour 1"],
        ["search", "hour 1"],
        ["search", "hour 1"],
        ["test", "hour 1"],
    ]
    assert lines[-1] == "done"


def test_plain_lines_survive_a_narrow_encoding():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    PlainLines(stream).log("CO₂")
    assert raw.getvalue() == b"CO?\n"


def test_each_line_is_flushed_at_once():
    raw = io.BytesIO()
    observer = PlainLines(io.TextIOWrapper(raw, encoding="utf-8"))
    observer.update(MOMENT)
    assert raw.getvalue().decode() == LINE + "\n"


def test_json_lines():
    stream = io.StringIO()
    show(JsonLines(stream))
    *progress, log = map(json.loads, stream.getvalue().splitlines())
    assert [(event["event"], event["hour"], event["evaluations"], event["failed"]) for event in progress] == [
        ("progress", 0, 0, 0),
        ("progress", 1, 0, 0),
        ("progress", 1, 1, 0),
        ("progress", 1, 2, 1),
        ("progress", 1, 2, 1),
    ]
    assert log == {"event": "log", "message": "done", "path": "runs/r"}


def test_json_holds_the_whole_moment_and_no_nan():
    stream = io.StringIO()
    JsonLines(stream).update(Progress(run="r", stage="search", hypervolume=float("nan"), running=MOMENT.running))
    event = json.loads(stream.getvalue(), parse_constant=lambda name: pytest.fail(name))
    assert event["hypervolume"] is None
    assert event["running"] == [{"device": 0, "cell": CELL, "fraction": 0.5}]
    assert event.keys() == {"event", *Progress.__dataclass_fields__}


def test_panel_shows_every_figure():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(panel(MOMENT))
    text = console.export_text()
    for part in (
        "first [bold]",
        "5 of 24  2024-06-01 08:00 UTC",
        "215 gCO2eq/kWh",
        "evaluate 75 %, sample 25 %",
        "4 scored, 1 half-trained",
        "12 (1 failed), best 97.22 %",
        "0.1235",
        "0.522 of 2 gCO2eq",
        "device 0",
        "3x3 | - skip | pool 3x3 1x1",
        "0:45, about 1:01:20 left",
        "compiling [red]",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_panel_shows_few_of_many_trainings():
    console = Console(width=100, record=True, file=io.StringIO())
    running = tuple(Running(0, CELL, i / 20) for i in range(20))
    console.print(panel(Progress(run="r", stage="search", running=running)))
    text = console.export_text()
    assert text.count("device 0") == 8
    assert "and 12 more in training" in text


def test_panel_of_a_search_that_knows_nothing_yet():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(panel(Progress(run="r", stage="supernet")))
    text = console.export_text()
    assert "split" not in text
    assert "None" not in text


def test_rich_panel_draws_the_last_moment_and_messages():
    stream = io.StringIO()
    observer = RichPanel(console=Console(file=stream, force_terminal=True, width=100))
    with observer:
        observer.update(MOMENT)
        observer.log("epoch [1]")
    assert "epoch [1]" in stream.getvalue()
    assert "12 (1 failed), best 97.22 %" in stream.getvalue()
    with pytest.raises(KeyboardInterrupt), observer:
        raise KeyboardInterrupt


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("flags", "stream", "expected"),
    [
        ({}, io.StringIO(), PlainLines),
        ({}, Terminal(), RichPanel),
        ({"quiet": True}, Terminal(), Quiet),
        ({"json": True}, Terminal(), JsonLines),
        ({"json": True, "quiet": True}, io.StringIO(), JsonLines),
    ],
)
def test_make_observer(flags, stream, expected):
    assert type(make_observer(**flags, stream=stream)) is expected


def test_quiet_writes_nothing(capsys):
    show(make_observer(quiet=True))
    assert capsys.readouterr() == ("", "")


def test_short_cell():
    assert short_cell(CELL) == "3x3 | - skip | pool 3x3 1x1"
    assert short_cell("another space") == "another space"
    assert short_cell(40 * "ab") == 29 * "ab" + "a…"


def test_clock():
    assert [clock(seconds) for seconds in (-1, 7.4, 725, 10921)] == ["0:00", "0:07", "12:05", "3:02:01"]


def test_without_a_panel_rich_is_not_imported():
    code = (
        "import sys, jcenas.live.progress as progress; progress.make_observer(quiet=True);"
        "sys.exit(bool({'rich', 'jax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
