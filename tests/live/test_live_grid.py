"""The live grid: hours that become known as they come, by providers and a clock by hand."""

import datetime

import numpy as np
import pytest

from jcenas.carbon.providers.base import Fallback, NoAnswerError, ProviderError, RefusedError, cover
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours
from jcenas.errors import InputError
from jcenas.live import grid_facts, grid_start, live_grid, trace_files
from jcenas.live.config import SearchConfig
from jcenas.live.executors.virtual import Costs
from jcenas.live.finish import live_grid as facts_of
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import GridView
from jcenas.live.greener.pilot import Pilot
from jcenas.live.greener.terminal import report_lines
from jcenas.live.greener.virtual import VirtualClock, VirtualJob
from jcenas.live.ledger import Ledger
from jcenas.live.live_grid import LiveGrid

START = datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
RUN = {
    "provider": "electricity-maps,watttime",
    "zone": "DE",
    "hour_seconds": 3600.0,
    "hours": 12,
    "forecast": "persistence",
}
VALUES = 300 + 200 * np.sin(np.arange(-200, 60) / 3)  # from 200 h before the start on


class Played:
    """A service that knows what is over and the hour that has begun; it fails in the hours of `down`."""

    def __init__(self, name, clock, *, factor=1.0, down=(), failure=None, kind="average", zones=("DE",)):
        self.name, self.clock, self.factor, self.down, self.kind, self.zones = name, clock, factor, down, kind, zones
        self.failure, self.asked = failure or NoAnswerError("no answer after 4 tries (timed out)"), []

    def history(self, zone, start, end):
        self.asked.append(((start - START) // HOUR, (end - START) // HOUR))
        return cover(self.trace(zone, len(VALUES[: 200 + self.hour + 1])), start, end, self.name)

    def forecast(self, zone, start, hours):
        trace = self.trace(zone, len(VALUES))
        wrong = 1.25 * trace.intensity_g_per_kwh  # it expects a quarter too much
        expected = CarbonTrace(start=trace.start, intensity_g_per_kwh=wrong, zone=zone, kind=self.kind)
        return cover(expected, start, start + hours * HOUR, self.name)

    @property
    def hour(self):
        return (self.clock() - START) // HOUR

    def trace(self, zone, hours):
        if zone not in self.zones:
            raise RefusedError(f"{self.name} does not have the zone {zone}")
        if self.hour in self.down:
            raise self.failure
        values, begin = self.factor * VALUES[:hours], START - 200 * HOUR
        return CarbonTrace(start=begin, intensity_g_per_kwh=values, zone=zone, kind=self.kind)


class Clock:
    """The present, set by hand."""

    def __init__(self, hour=0.0):
        self.hour = hour

    def __call__(self):
        return START + self.hour * HOUR


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live_grid, "utc_now", clock)
    return clock


def grid_with(clock, *, said=None, hours=(), before=VALUES[:200], first=None, second=None, **settings):
    """A grid with two services, the second a marginal one of twice the intensity."""
    log = pytest.fail if said is None else said.append
    first = Played("electricity-maps", clock, **(first or {}))
    second = Played("watttime", clock, factor=2.0, kind="marginal", **(second or {}))
    chain = Fallback([first, second], lambda message: log(f"grid: {message}"))
    config = SearchConfig(**RUN | settings)
    return LiveGrid(config, START, before[-168:], log=log, hours=hours, chain=chain, now=clock)


def rows_of(database, table="grid"):
    return [dict(row) for row in database.rows(f"SELECT * FROM {table} ORDER BY 1, 2")]


def test_hours_are_asked_for_when_they_come_and_not_before(clock, database):
    grid = grid_with(clock)
    grid.attach(database)
    first = grid.chain.providers[0]
    for hour in range(4):
        clock.hour = hour + 0.01
        known = grid.known(hour)
        assert known.trace.hours == hour + 1
        np.testing.assert_array_equal(known.trace.intensity_g_per_kwh, VALUES[200 : 200 + hour + 1])
        np.testing.assert_array_equal(known.past(hour)[0], VALUES[176 + hour : 200 + hour].astype(np.float32))
        whole = GridHours(CarbonTrace(start=START, intensity_g_per_kwh=VALUES[200:], zone="DE"), VALUES[32:200], 0.0)
        for kind in ("persistence", "none"):  # what it is told is what it would be told of a record
            np.testing.assert_array_equal(known.forecast(kind, hour), whole.forecast(kind, hour))
    assert first.asked == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert grid.known(2) is grid.known(3)  # known: nobody is asked again
    assert [row["intensity_g_per_kwh"] for row in rows_of(database)] == VALUES[200:204].tolist()
    assert {(row["source"], row["kind"], row["estimated"]) for row in rows_of(database)} == {
        ("electricity-maps", "average", 0)
    }
    assert rows_of(database)[3]["time_utc"] == "2024-06-01T15:00:00Z"
    assert grid.source(3) == "electricity-maps"
    assert grid.source(4) == ""


@pytest.mark.parametrize("down", [(), {2, 3}])
def test_a_job_in_greener_hours_asks_for_each_when_it_comes(clock, down):
    class Tied(VirtualClock):
        def wait(self, until_s, changes):
            super().wait(until_s, changes)
            clock.hour = self.now_s() / 3600

    said, begin_s = [], 900.0
    given = {"provider": "electricity-maps", "zone": "DE", "work": "2h", "deadline": "14h", "forecast": "persistence"}
    config = GreenerConfig(**given, pause_cost="0s")
    clock.hour = begin_s / 3600
    grid = LiveGrid(
        config,
        START,
        VALUES[32:200],
        log=said.append,
        chain=Fallback([Played("electricity-maps", clock, down=down)], said.append),
        now=clock,
    )
    grid.beside = False
    hours = VALUES[200:220].copy()
    for hour in sorted(down):
        hours[hour] = hours[hour - 1]  # held
    record = GridHours(CarbonTrace(start=START, intensity_g_per_kwh=hours, zone="DE"), VALUES[32:200], 0.0)
    outcomes = []
    for one in (grid, record):
        view = GridView(one, config.forecast, until_s=begin_s + config.deadline_s)
        tied = Tied(begin_s)
        job = VirtualJob(tied, config.work_s)
        flown = Pilot(config, view, job, clock=tied, begin_s=begin_s, say=lambda line: None).fly()
        outcomes.append((flown.spans, report_lines(flown, view, config)))
    assert outcomes[0][0] == outcomes[1][0]
    assert outcomes[0][0][0][0] > begin_s  # it waited
    *lines, last = outcomes[0][1]
    assert lines == outcomes[1][1]
    assert last.startswith(f"grid: {len(grid._hours) - len(down)} h by electricity-maps (average, life-cycle)")
    assert ("; 2 h that nobody knew" in last) == (said != []) == bool(down)
    asked = grid.chain.providers[0].asked
    assert asked == [(hour, hour + 1) for hour in range(len(asked))]
    assert len(asked) <= flown.ended_s / 3600 + 1  # nothing of the hours to come


def test_another_stands_in_then_the_last_hour_and_the_service_comes_back(clock, database):
    said = []
    grid = grid_with(clock, said=said, first={"down": {1, 2}}, second={"down": {2}})
    grid.attach(database)
    for hour in range(4):
        clock.hour = hour
        grid.known(hour)
    second = 2 * VALUES[201]
    assert [row["intensity_g_per_kwh"] for row in rows_of(database)] == [VALUES[200], second, second, VALUES[203]]
    assert [(row["source"], row["kind"], row["estimated"]) for row in rows_of(database)] == [
        ("electricity-maps", "average", 0),
        ("watttime", "marginal", 0),
        ("held", "marginal", 1),
        ("electricity-maps", "average", 0),
    ]
    assert "electricity-maps: no answer after 4 tries (timed out); watttime: no answer" in rows_of(database)[2]["note"]
    assert said[0].startswith("grid: carbon provider electricity-maps failed (no answer after 4 tries (timed out)); as")
    assert f"{second:.0f} g/kWh, the last known, stands in" in said[-1]
    assert grid.source(2) == "held"
    first, *_, warning = grid_facts.in_words({"hours": facts_of(database)["hours"], "forecasts": []})
    assert first == (
        "2 h by electricity-maps (average, life-cycle); 1 h by watttime (marginal, life-cycle); "
        "1 h that nobody knew, the hour before held (marginal, life-cycle)"
    )
    assert warning.startswith("warning: these hours differ in their accounting")


def test_its_own_forecast_stands_beside_ours_and_both_are_judged(clock, database):
    grid = grid_with(clock, forecast="none")
    grid.attach(database)
    for hour in range(3):
        clock.hour = hour
        grid.known(hour)
    rows = rows_of(database, "forecasts")
    assert [(row["issued"], row["lead"]) for row in rows] == [(i, lead) for i in range(3) for lead in range(1, 24)]
    assert rows[0]["ours_g_per_kwh"] == pytest.approx(VALUES[200])
    assert rows[0]["theirs_g_per_kwh"] == pytest.approx(1.25 * VALUES[201])
    (judged,) = facts_of(database)["forecasts"]
    pairs = [(200, 201), (200, 202), (201, 202)]  # issued at, true at: those that are known by now
    ours = np.mean([abs(VALUES[a] - VALUES[b]) / VALUES[b] for a, b in pairs])
    assert (judged["source"], judged["pairs"]) == ("electricity-maps", 3)
    assert (judged["ours"], judged["theirs"]) == pytest.approx((ours, 0.25))


@pytest.mark.parametrize("knows_the_gap", [True, False])
def test_a_run_that_goes_on_reads_its_hours_and_asks_for_those_that_passed(clock, database, tmp_path, knows_the_gap):
    said = []
    grid = grid_with(clock, said=said)
    grid.attach(database)
    for hour in range(3):
        clock.hour = hour
        grid.known(hour)
    trace_files.keep_past(grid.known(2), tmp_path)
    clock.hour = 7.5
    chain = grid.chain
    if not knows_the_gap:
        for one in chain.providers:
            one.down = {7}
    again = LiveGrid(
        SearchConfig(**RUN),
        START,
        trace_files.recall_past(tmp_path),
        log=said.append,
        hours=grid._hours,
        chain=chain,
        now=clock,
    )
    again.attach(database)
    assert again.began_h == 7.5
    assert again.known(2).trace.hours == 3  # nobody was asked
    chain.providers[0].asked.clear()
    known = again.known(7)
    assert known.trace.hours == 8
    np.testing.assert_array_equal(known.before, VALUES[32:200])
    sources = [row["source"] for row in rows_of(database)]
    if knows_the_gap:
        assert chain.providers[0].asked == [(3, 7), (7, 8)]
        np.testing.assert_array_equal(known.trace.intensity_g_per_kwh, VALUES[200:208])
        assert (set(sources), said) == ({"electricity-maps"}, [])
    else:
        assert known.trace.intensity_g_per_kwh[2:].tolist() == [VALUES[202]] * 6
        assert sources == ["electricity-maps"] * 3 + ["held"] * 5
        assert "grid: carbon provider electricity-maps failed" in said[0]
        assert "grid: 4 h from 2024-06-01 15:00 UTC on: no carbon provider answered" in said[1]


def test_what_can_never_work_shows_at_the_start(clock, monkeypatch):
    made = {}

    def chain(config, log):
        return Fallback([made["first"], made["second"]], log)

    monkeypatch.setattr(grid_start, "chain_of", chain)
    good, config = Played("electricity-maps", clock), SearchConfig(**RUN)
    made |= {"first": good, "second": Played("watttime", clock, zones=("CAISO_NORTH",))}
    with pytest.raises(InputError, match="--provider watttime: watttime does not have the zone DE; or leave watttime"):
        grid_start.begin(config, pytest.fail)
    made["first"] = Played("electricity-maps", clock, down={0}, failure=RefusedError("the key was refused (HTTP 401)"))
    with pytest.raises(InputError, match=r"--provider electricity-maps: the key was refused \(HTTP 401\)"):
        grid_start.begin(config, pytest.fail)
    # What is down now may be up later, as long as somebody knows the present hour.
    said = []
    made |= {"first": Played("electricity-maps", clock, down={0}), "second": Played("watttime", clock, factor=2.0)}
    grid = grid_start.begin(config, said.append)
    assert "gives no past hours now (no answer after 4 tries (timed out)); it is asked again in each hour" in said[0]
    assert said[-1] == "grid: DE by watttime: average intensity, life-cycle factors"
    np.testing.assert_array_equal(grid.known(0).before, 2 * VALUES[32:200])
    made["second"].down = {0}
    with pytest.raises(InputError, match=r"no carbon provider answered: .*; try again later, or name typical-year"):
        grid_start.begin(config, said.append)


def test_a_week_that_a_service_has_in_part_is_as_long_as_it_reaches_back():
    nan = np.nan
    whole = grid_start._joined_to_the_end
    assert whole(np.array([1.0, nan, 2.0, 3.0])).tolist() == [2.0, 3.0]
    assert whole(np.array([1.0, 2.0, nan, nan, nan])).tolist() == [1.0, 2.0, 2.0, 2.0, 2.0]  # late, not lost
    assert whole(np.array([1.0, nan, nan, nan, nan])).tolist() == []
    assert whole(np.array([nan, nan])).tolist() == []


def ledger_of(kit, database, grid, **more):
    books = Ledger(
        database,
        trace_files.extended(grid.known(0).trace),
        kit.POWER,
        devices=1,
        hour_seconds=3600.0,
        real_time=True,
        **more,
    )
    books.follow(grid.trace, began_h=grid.began_h)
    books.now_h = grid.now_h
    return books


def test_every_hour_is_charged_at_what_was_known_of_it(kit, database, clock):
    grid = grid_with(clock)
    grid.attach(database)
    clock.hour = 0.25
    grid.began_h = 0.25  # the run begins at a quarter past
    books = ledger_of(kit, database, grid)
    clock.hour = 0.75
    books.spend(0, "training", "candidate", 1800.0, 1)
    clock.hour = 3.0
    books.spend(0, "training", "candidate", 1.5 * 3600, 1)  # what passed before it is idle
    rows = [dict(row) for row in database.rows("SELECT * FROM intervals ORDER BY id")]
    assert [(row["state"], row["start_hour"], row["end_hour"]) for row in rows] == [
        ("training", 0.25, 0.75),
        ("idle", 0.75, 1.5),
        ("training", 1.5, 3.0),
    ]
    a, b, c = VALUES[200:203]
    assert [row["emissions_g"] for row in rows] == pytest.approx(
        [0.5 * 3.6 * a, 0.36 * (0.25 * a + 0.5 * b), 3.6 * (0.5 * b + c)]
    )
    assert grid.chain.providers[0].asked == [(0, 1), (1, 2), (2, 3)]  # not the hour that begins at the end
    clock.hour = 9.0  # killed and started again
    again = ledger_of(kit, database, grid_with(clock, hours=grid._hours))
    assert again.clock == [9.0]
    assert again.emissions_g == pytest.approx(books.emissions_g)
    assert again.seconds_until(9.5) == 1800.0


class Killed(BaseException):
    pass


def without_times(rows):
    return [{name: value for name, value in row.items() if name != "time_utc"} for row in rows]


@pytest.mark.parametrize(("policy", "kills"), [("heuristic", ()), ("plan:0.5", ()), ("heuristic", (3, 8))])
def test_a_search_that_learns_its_hours_decides_as_one_over_their_record(kit, database, tmp_path, clock, policy, kills):
    problem, costs = kit.problem_of(), Costs(score_s=60.0)
    steps = kit.steps_maker(problem, stage="zero-shot:synflow", policy=policy)
    hours, before = VALUES[200:212], VALUES[32:200]
    recorded = GridHours(CarbonTrace(start=START, intensity_g_per_kwh=hours, zone="DE"), before, float(hours.mean()))
    state = kit.state_of(database, problem, steps, room=64)
    assert kit.loop_of(database, state, recorded, costs=costs).run() == "time"

    other = type(database)(tmp_path / "other.db", create=True)
    moments = iter(kills)
    while True:
        rows = rows_of(other)
        known = [live_grid.GridHour(**{name: row[name] for name in live_grid.GridHour._fields}) for row in rows]
        grid = grid_with(clock, hours=known)
        grid.attach(other)
        state = kit.state_of(other, problem, steps, room=64)
        loop = kit.loop_of(other, state, grid, costs=costs, hours=12)
        loop.ledger.follow(grid.trace, began_h=0.0)
        work, kill = loop.executor.work, next(moments, None)

        def timed(plan, grid=grid, work=work, kill=kill):
            assert grid.known(0).trace.hours == int(plan.begin) + 1  # nothing of the hours to come
            if kill is not None and plan.begin >= kill:
                raise Killed
            report = work(plan)
            clock.hour = plan.end
            return report

        loop.executor.work = timed
        try:
            assert loop.run() == "time"
            break
        except Killed:
            continue
    names = ["hour", "intensity_g_per_kwh", "evaluation_share", "evaluating"]
    names += [] if kills else ["energy_kwh", "emissions_g", "queued", "evaluations"]  # what a kill may cost
    assert [[row[name] for name in names] for row in rows_of(other, "hours")] == [
        [pytest.approx(row[name], rel=1e-9) for name in names] for row in rows_of(database, "hours")
    ]
    assert [row["intensity_g_per_kwh"] for row in rows_of(other)] == hours.tolist()
    by_interval = other.value("SELECT SUM(emissions_g) FROM intervals")
    assert other.value("SELECT SUM(emissions_g) FROM hours") == pytest.approx(by_interval, rel=1e-9)
    other.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hour_seconds": 1.3}, "knows real hours only, and an hour lasts 1.3 s here; add --hour-seconds 3600, or use"),
        ({"hour_seconds": 7200.0}, "knows real hours only"),
        ({"zone": ""}, "--provider electricity-maps,watttime needs a --zone"),
        ({"trace": "a.csv"}, "and --trace: both say what the grid is"),
        ({"column": "x"}, "and --column: both say what the grid is"),
        ({"start": "2024-06-01T00:00Z"}, "--start 2024-06-01T00:00Z: with --provider a run in real time begins now"),
        ({"provider": "typical-year", "start": "2024-06-01T00:00Z"}, "begins now"),
        ({"provider": "electricty-maps"}, "did you mean 'electricity-maps'"),
        ({"provider": "gb,gb"}, "'gb' is named twice"),
        ({"provider": "gb,"}, "unknown carbon provider ''"),
    ],
)
def test_settings_that_contradict_one_another(settings, message):
    with pytest.raises(InputError, match=message):
        SearchConfig(**RUN | settings)


def test_what_needs_no_service_may_have_hours_of_any_length(clock):
    config = SearchConfig(provider="typical-year", hour_seconds=1.3, start="2023-06-01T12:30Z")
    grid = grid_start.begin(config, lambda message: None)
    assert (grid.zone, grid.start.isoformat(), grid.began_h) == ("US-CAL-CISO", "2023-06-01T12:00:00+00:00", 0.0)
    assert grid.known(30).trace.hours == 31
    assert len(grid.known(0).before) == 168
    assert grid.source(3) == "typical-year, estimated"
    assert SearchConfig.from_json(config.to_json()) == config


def test_damaged_records_of_a_grid_are_named(clock, database, tmp_path):
    config = SearchConfig(**RUN | {"provider": "typical-year"})
    for record in ({}, {"start_utc": 7}, {"start_utc": "soon"}):
        with pytest.raises(InputError, match=r"config\.json is damaged \(its trace\)"):
            grid_start.go_on(config, tmp_path, record, database, pytest.fail)
    values = {"time_utc": "", "intensity_g_per_kwh": 1.0, "estimated": 0, "source": "x"}
    database.insert("grid", hour=1, **values, kind="average", factors="direct", note="")
    with pytest.raises(InputError, match="hours of the grid are missing"):
        grid_start.go_on(config, tmp_path, {"start_utc": START.isoformat()}, database, pytest.fail)


def test_a_run_whose_time_is_over_is_told_so(clock, database, tmp_path):
    clock.hour, said = 13.0, []
    config = SearchConfig(**RUN | {"provider": "typical-year"})
    grid = grid_start.go_on(config, tmp_path, {"start_utc": START.isoformat()}, database, said.append)
    assert said == ["grid: 13.0 h have passed since the run began, and --hours is 12; give it more"]
    assert grid.known(13).trace.hours == 14


def test_nobody_knows_the_first_hour(clock, database):
    grid = grid_with(clock, said=[], first={"down": {0}}, second={"down": {0}})
    with pytest.raises(ProviderError, match="no carbon provider answered"):
        grid.known(0)
