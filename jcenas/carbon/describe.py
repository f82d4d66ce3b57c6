"""Summary of a trace as plain data: what `jcenas trace` prints."""

import datetime
from typing import Any

import numpy as np

from jcenas import units
from jcenas.carbon.plausibility import warnings
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.year_statistics import zone_statistics
from jcenas.carbon.zones import zone_names


def describe(trace: CarbonTrace) -> dict[str, Any]:
    """Summary of a trace: period, level, spread, the day, persistence, its notes, and what looks wrong.

    Returns:
      A dictionary of str, int, float and lists, JSON-ready. Intensities in gCO2eq/kWh, hours in UTC; None for
      a number that the trace is too short for.
    """
    hourly = trace.hourly() if trace.hours else trace.intensity_g_per_kwh
    end = trace.start + datetime.timedelta(seconds=len(trace) * trace.step_seconds)
    facts: dict[str, Any] = {
        "zone": trace.zone,
        "source": trace.source,
        "accounting": f"{trace.kind} intensity, {trace.factors} factors",
        "start_utc": f"{trace.start:%Y-%m-%d %H:%M}",
        "end_utc": f"{end:%Y-%m-%d %H:%M}",
        "steps": len(trace),
        "step_seconds": trace.step_seconds,
        "days": len(trace) * trace.step_seconds / units.SECONDS_PER_HOUR / units.HOURS_PER_DAY,
        "mean_g_per_kwh": trace.mean(),
        "min_g_per_kwh": float(trace.intensity_g_per_kwh.min()),
        "max_g_per_kwh": float(trace.intensity_g_per_kwh.max()),
        "std_g_per_kwh": float(trace.intensity_g_per_kwh.std()),
        "estimated_share": None if trace.estimated is None else float(trace.estimated.mean()),
        "daily_range_g_per_kwh": None,
        "cleanest_hour_utc": None,
        "dirtiest_hour_utc": None,
        "autocorrelation": {
            lag: _autocorrelation(hourly, lag) for lag in (1, units.HOURS_PER_DAY, units.HOURS_PER_WEEK)
        },
        "generation": sorted(trace.generation_mw),
        "weather": sorted(trace.weather),
        "warnings": list(dict.fromkeys((*trace.notes, *warnings(trace)))),
    }
    n_days = hourly.size // units.HOURS_PER_DAY
    if n_days:
        days = hourly[: n_days * units.HOURS_PER_DAY].reshape(n_days, -1)
        profile = np.roll(days.mean(axis=0), trace.start.hour)  # index: hour of the day in UTC
        facts["daily_range_g_per_kwh"] = float(np.ptp(days, axis=1).mean())
        facts["cleanest_hour_utc"] = int(profile.argmin())
        facts["dirtiest_hour_utc"] = int(profile.argmax())
    return facts


def rows(trace: CarbonTrace) -> list[tuple[str, str]]:
    """The same facts as (name, value) lines for a table on the terminal."""
    facts = describe(trace)
    level = "{mean_g_per_kwh:.1f} (from {min_g_per_kwh:.1f} to {max_g_per_kwh:.1f}, spread {std_g_per_kwh:.1f})"
    lines = [
        ("zone", facts["zone"] or "not stated"),
        ("source", facts["source"] or "not stated"),
        ("accounting", facts["accounting"]),
        ("period (UTC)", "{start_utc} .. {end_utc}".format(**facts)),
        ("steps", "{steps} of {step_seconds} s, {days:.4g} days".format(**facts)),
        ("mean, gCO2eq/kWh", level.format(**facts)),
    ]
    if facts["daily_range_g_per_kwh"] is not None:
        day = (
            "{daily_range_g_per_kwh:.1f}, cleanest {cleanest_hour_utc:02d}:00, dirtiest {dirtiest_hour_utc:02d}:00 UTC"
        )
        lines.append(("range of a day", day.format(**facts)))
    known = [f"{lag} h: {value:.2f}" for lag, value in facts["autocorrelation"].items() if value is not None]
    if known:
        lines.append(("autocorrelation", ", ".join(known)))
    if facts["estimated_share"] is not None:
        lines.append(("estimated", f"{facts['estimated_share']:.1%} of the steps"))
    for field in ("generation", "weather"):
        if facts[field]:
            lines.append((field, ", ".join(facts[field])))
    return lines + [("warning", warning) for warning in facts["warnings"]]


def zone_rows() -> list[tuple[str, str, str, str]]:
    """Every zone of the typical-year model for a table: name, mean gCO2eq/kWh, range of the mean day, years of data."""
    lines = []
    for zone in zone_names():
        statistics = zone_statistics(zone)
        day = statistics.mean_g_per_kwh.mean(axis=(0, 2))
        lines.append((zone, f"{day.mean():.0f}", f"{np.ptp(day):.0f}", statistics.years))
    return lines


def _autocorrelation(values: np.ndarray, lag: int) -> float | None:
    """Autocorrelation at a lag in steps; None where the trace is constant or shorter than twice the lag."""
    x = values - values.mean()
    if values.size < 2 * lag or not x.any():
        return None
    return float(x[:-lag] @ x[lag:] / (x @ x))
