"""The end of a search as a few lines of text."""

from pathlib import Path
from typing import Any

from jcenas.live.finish import SearchResult

_ROWS = 10


def summary_lines(result: SearchResult, page: Path | None) -> list[str]:
    """What was found, what it emitted and which numbers are modelled, for a terminal."""
    s = result.summary
    lines = [
        "",
        f"{result.status}: {s['evaluations']} trained from scratch, {s['failed']} failed, {s['scored']} scored",
    ]
    if result.pareto.empty:
        lines.append("no training was finished: give more --hours, or a policy that evaluates")
    else:
        front = result.pareto.drop(columns=["proposal", "genome", "energy_kwh"]).head(_ROWS)
        formats: Any = {"accuracy": "{:.2%}".format, "test_accuracy": "{:.2%}".format}
        lines += ["", f"Pareto front ({len(result.pareto)} cells):", front.to_string(index=False, formatters=formats)]
    emitted, flat, year = s["emissions_g"], s["emissions_at_mean_of_hours_g"], s["emissions_at_mean_intensity_g"]
    lines += [
        "",
        f"emissions {emitted:.3g} gCO2eq for {s['energy_kwh']:.3g} kWh",
        f"the same work at the mean intensity of the run's hours, {s['mean_of_hours_g_per_kwh']:.0f} g/kWh: "
        f"{flat:.3g} g (this run: {_change(emitted, flat)})",
        f"the same work at the mean intensity of the whole trace, {s['mean_intensity_g_per_kwh']:.0f} g/kWh: "
        f"{year:.3g} g (this run: {_change(emitted, year)}, the season included)",
        f"modelled: {'; '.join(s['modelled'])}",
        f"measured: {'; '.join(s['measured'])}",
        f"wall {s['wall_s']:.1f} s, device {s['device_s']:.1f} s (idle included)",
        f"run folder: {result.folder}" + (f"   report: {page}" if page else ""),
    ]
    return lines


def _change(emitted: float, flat: float) -> str:
    return "no energy spent" if flat <= 0 else f"{100 * (emitted / flat - 1):+.1f} %"
