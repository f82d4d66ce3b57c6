"""The headline figures of a run, counted from its tables, so that they exist at any moment of it."""

from typing import Any, NamedTuple

from jcenas.live.grid_facts import facts
from jcenas.live.kinds import KINDS, Comparison, comparisons
from jcenas.report.run import Run, evaluated, last_hour, pareto_front


class Charge(NamedTuple):
    """What one kind of device time has cost."""

    kind: str  # the purpose of its intervals
    seconds: float  # device-seconds
    energy_kwh: float
    emissions_g: float
    measured: float = 0.0  # share of the device-seconds whose energy a meter counted


class Headline(NamedTuple):
    """Figures of one run. None: not known (yet)."""

    status: str  # "running", "interrupted", "failed" or "finished"
    failure: str | None  # what ended a run that failed
    emissions_g: float
    energy_kwh: float
    device_s: float
    charges: list[Charge]  # everything that was charged, by kind
    meter: dict[str, Any] | None  # who counted energy, and what, as `jcenas.live.measured.facts`
    grid: dict[str, Any] | None  # who gave the hours of a live grid, as `jcenas.live.grid_facts.facts`
    own_mean_g_per_kwh: float | None  # mean intensity of the trace hours that the run lasted
    trace_mean_g_per_kwh: float | None
    comparisons: list[Comparison]
    proposals: int
    scored: int
    done: int
    failed: int
    best_validation_accuracy: float | None
    test_accuracy_of_best: float | None
    test_accuracy_range: tuple[float, float] | None  # over the tested candidates of the front
    wall_s: float | None
    hours: float  # trace hours gone by; 0 while none is closed
    measured: list[str]  # what the run says of its numbers
    modelled: list[str]
    not_charged: list[str]


def headline(run: Run) -> Headline:
    """Count the figures. What the run stated when it ended is left out while it goes on again."""
    status = run.meta.get("status", "running")
    summary = {} if status in ("running", "failed") else run.meta.get("summary") or {}
    emissions_g, energy_kwh, device_s = (
        float(run.intervals[name].sum()) for name in ("emissions_g", "energy_kwh", "seconds")
    )
    own_mean = summary.get("mean_of_hours_g_per_kwh", mean_of_hours(run))
    trace_mean = summary.get("mean_intensity_g_per_kwh", run.config.get("trace", {}).get("mean_g_per_kwh"))
    front, done = pareto_front(run), evaluated(run)
    tested = front["test_accuracy"].dropna()
    best = front["validation_accuracy"].idxmax() if len(front) else None
    test_of_best = None if best is None else float(front.loc[best, "test_accuracy"])
    return Headline(
        status=status,
        failure=run.meta.get("failure") if status == "failed" else None,
        emissions_g=emissions_g,
        energy_kwh=energy_kwh,
        device_s=device_s,
        charges=charges(run),
        meter=metered(run),
        grid=None if run.grid is None else facts(run.grid.to_dict("records"), run.forecasts.to_dict("records")),
        own_mean_g_per_kwh=own_mean,
        trace_mean_g_per_kwh=trace_mean,
        comparisons=comparisons(
            energy_kwh, mean_of_hours=own_mean, mean_of_trace=trace_mean, blind_g=summary.get("emissions_blind_g")
        ),
        proposals=len(run.proposals),
        scored=len(run.scores),
        done=len(done),
        failed=int((run.evaluations["status"] == "failed").sum()),
        best_validation_accuracy=1 - float(done["validation_error"].min()) if len(done) else None,
        test_accuracy_of_best=None if test_of_best is None or test_of_best != test_of_best else test_of_best,
        test_accuracy_range=(float(tested.min()), float(tested.max())) if len(tested) else None,
        wall_s=summary.get("wall_s"),
        hours=last_hour(run) if len(run.hours) else 0.0,
        measured=list(summary.get("measured", [])),
        modelled=list(summary.get("modelled", [])),
        not_charged=list(summary.get("not_charged", [])),
    )


def charges(run: Run) -> list[Charge]:
    """Device time, energy and emissions by kind, in the order of `jcenas.live.kinds`; kinds that occur only."""
    counted = run.intervals["seconds"].where(run.intervals["measured_j"].notna(), 0.0)
    columns = ["seconds", "energy_kwh", "emissions_g", "counted"]
    sums = run.intervals.assign(counted=counted).groupby("purpose")[columns].sum()
    sums["counted"] = (sums["counted"] / sums["seconds"]).fillna(0.0)
    order = [kind for kind in KINDS if kind in sums.index] + [kind for kind in sums.index if kind not in KINDS]
    return [Charge(kind, *map(float, sums.loc[kind])) for kind in order]


def metered(run: Run) -> dict[str, Any] | None:
    """What a meter counted in device time, and the model says of the same; None where none counted."""
    counted = run.intervals[run.intervals["measured_j"].notna()]
    if counted.empty:
        return None
    sums = {name: float(counted[name].sum()) for name in ("seconds", "measured_j", "modelled_j")}
    return {"name": "a meter", "measures": "the devices", **run.meta.get("meter", {}), **sums}


def mean_of_hours(run: Run) -> float | None:
    """Mean intensity from the first recorded hour to where the run stands, each hour by how much of it has passed."""
    passed = (last_hour(run) - run.hours["hour"]).clip(0.0, 1.0)
    if passed.sum() == 0:
        return None
    return float((run.hours["intensity_g_per_kwh"] * passed).sum() / passed.sum())


def mass(grams: float) -> str:
    """Emissions with a unit that keeps the number readable: mg, g or kg of CO2 equivalent."""
    return _scaled(grams, ((1e3, "kg"), (1.0, "g"), (1e-3, "mg"))) + " CO₂eq"


def energy(kwh: float) -> str:
    """Energy in kWh, Wh or mWh."""
    return _scaled(kwh, ((1.0, "kWh"), (1e-3, "Wh"), (1e-6, "mWh")))


def duration(seconds: float) -> str:
    """A time as a person says it: 8.4 s, 2 min 41 s, 3 h 07 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as per cent, with a true minus sign; a dash for None and NaN."""
    if fraction is None or fraction != fraction:
        return "–"
    return f"{100 * fraction:.{digits}f} %".replace("-", "−")


def quantity(value: float, unit: str = "") -> str:
    """A cost: whole numbers grouped, others with four significant digits."""
    text = f"{value:,.0f}" if value == round(value) or abs(value) >= 1e4 else f"{value:.4g}"
    return f"{text} {unit}".strip()


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Three significant digits in the first unit in which the number is at least one."""
    if value == 0:
        return f"0 {next(unit for scale, unit in units if scale == 1.0)}"
    scale, unit = next((pair for pair in units if abs(value) >= pair[0]), units[-1])
    number = value / scale
    digits = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{number:,.{digits}f} {unit}"
