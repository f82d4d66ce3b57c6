"""Render BENCHMARKS.md from the recorded results.

Command:  python -m experiments.lib.write_benchmarks
Cost:     seconds; runs no experiment.

Tables come in the order of `EXPECTED`, then every other recorded one by name. An expected table without a result says
"not measured", and so does a cell that is None. A table that was recorded with other code than what it uses now says
so, and a row that was recorded before the others, with other code, has a dagger.
"""

import json
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import Any

from experiments.lib import code_used

TARGET = pathlib.Path(__file__).parents[2] / "BENCHMARKS.md"
RESULTS = pathlib.Path(__file__).parents[1] / "results"
NOT_MEASURED = "not measured"
OLDER, DAGGER = "- Recorded with older code", " †"
NOT_APPLICABLE = "-"  # a cell that nothing could stand in, other than None: nobody measured it
EXPECTED = {
    "search_default": "Default `jcenas search`",
    "start_up": "Start-up time",
    "search_problems": "Every network problem, cold",
    "search_nasnet_cifar10": "An hour of NASNet cells on CIFAR-10",
    "greener_hours": "`jcenas run`: a job in its greener hours",
    "lamoo_digits": "LaMOO against random search on digits, 5 seeds",
    "training_steps": "Training throughput",
    "networks_speed_cells": "NAS-Bench-201: candidate and supernets beside PyTorch",
    "networks_speed_darts": "DARTS: supernets beside PyTorch",
    "networks_speed_population": "Several different small cells at once",
    "proxies": "Cheap estimates of quality on NAS-Bench-201, CIFAR-10",
    "cifar10_candidate": "Training on the complete CIFAR-10",
    "hypervolume": "Hypervolume",
    "lamoo": "LaMOO: tree and proposals",
    "lamoo_nasbench201": "Optimisers on NAS-Bench-201",
    "ecnas_table1": "EC-NAS, Table 1",
    "ecnas_optimisers_4v": "EC-NAS 4V: optimisers",
    "ecnas_optimisers_5v": "EC-NAS 5V: optimisers",
    "ecnas_optimisers_7v": "EC-NAS 7V: optimisers",
    "ecnas_surrogate": "EC-NAS energy surrogate",
    "ecnas_swaps": "EC-NAS: replacing one operation",
    "ecnas_cost": "EC-NAS: the price of the benchmark",
    "ecnas_speed": "EC-NAS: speed",
    "league": "A league of optimisers: log hypervolume difference",
    "moo_ecnas4v": "Optimisers on EC-NAS 4V",
    "moo_ecnas5v": "Optimisers on EC-NAS 5V",
    "moo_macro": "Optimisers on NAS-Bench-Macro",
    "moo_pi5": "Optimisers on NAS-Bench-201 with a Raspberry Pi 5",
    "simulate_carbon_ratio": "Carbon to reach vanilla LaMOO's hypervolume of 80 hours",
    "simulate_progress": "Search progress over hours and over emissions",
    "simulate_budgets": "Hypervolume under a carbon budget",
    "simulate_settings": "Switching, deadlines and kinds of action",
    "generalise_predictor": "The predictor stage on tables that it was not made on",
    "generalise_allocation": "Allocation where it was not tuned: regret to the offline optimum",
    "simulator_speed": "Speed of the simulator",
    "ppo_speed": "Speed of PPO on CartPole",
    "forecast_error": "Carbon-intensity forecasts, July to December 2021",
    "forecast_intervals": "Calibration of the 90 % intervals",
    "forecast_issued": "Against the forecasts that CarbonCast issued",
    "forecast_zero_shot": "Zero-shot forecasts",
    "forecast_adaptive": "Adaptive forecasts",
    "forecast_speed": "Forecaster: training step and forecast",
    "accelerator_machine": "On an accelerator: the device by itself",
    "accelerator_hypervolume": "On an accelerator: hypervolume and dominance",
    "accelerator_networks": "On an accelerator: training steps of candidates and supernets",
    "accelerator_population": "On an accelerator: several small networks at once",
    "accelerator_search": "On an accelerator: the default `jcenas search` for a minute",
    "accelerator_ppo": "On an accelerator: PPO on CartPole",
    "accelerator_simulator": "On an accelerator: simulated searches side by side",
    "accelerator_tests": "On an accelerator: marked tests",
    "accelerator_forecaster": "On an accelerator: the forecaster",
    "accelerator_cifar10": "On an accelerator: CIFAR-10 in the time that there was",
}
HEAD = """# Benchmarks

Written by `python -m experiments.lib.write_benchmarks` from `experiments/results/*.json`; do not edit. Every table
names the command that repeats it, the versions and the machine. A cell that nobody measured says "not measured"; one in
which nothing could stand has a dash.
"""


def load(folder: pathlib.Path | None = None) -> dict[str, Mapping[str, Any]]:
    """Every recorded result of `folder` (default: experiments/results) by name, sorted."""
    files = sorted((RESULTS if folder is None else folder).glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, Markdown, of results by name as `load` gives them; what it marks depends on the code of now."""
    sections = [_section(results[name]) if name in results else _missing(title) for name, title in EXPECTED.items()]
    sections += [_section(result) for name, result in sorted(results.items()) if name not in EXPECTED]
    return "\n".join([HEAD, *sections])


def write(folder: pathlib.Path | None = None, target: pathlib.Path | None = None) -> pathlib.Path:
    """Render the results of `folder` (default: experiments/results) into `target` (default: BENCHMARKS.md)."""
    target = TARGET if target is None else target
    target.write_text(render(load(folder)), encoding="utf-8")
    return target


def unmarked(page: str) -> str:
    """The page without what it says of code that has changed since."""
    kept = [line for line in page.splitlines(keepends=True) if not line.startswith(OLDER)]
    return re.sub(r"\n{3,}", "\n\n", "".join(kept).replace(f"{DAGGER} |", " |"))


def _missing(title: str) -> str:
    return f"## {title}\n\n{NOT_MEASURED}\n"


def _section(result: Mapping[str, Any]) -> str:
    """Heading, expectation, command, table, notes and environment of one result."""
    parts = [f"## {result['title']}"]
    if result["expected"]:
        parts.append(f"Expected: {result['expected']}")
    parts.append(f"    {result['command']}")
    older = result.get("older") or [None] * len(result["rows"])
    daggers = [made is not None and code_used.is_older(made["code"]) for made in older]
    rows = [[f"{row[0]}{DAGGER}", *row[1:]] if old else row for row, old in zip(result["rows"], daggers, strict=True)]
    parts.append(_table(result["columns"], rows))
    notes = [f"- {note}" for note in result["notes"]] + _of_older_code(
        result, [o for o, d in zip(older, daggers, strict=True) if d]
    )
    if notes:
        parts.append("\n".join(notes))
    parts.append(_where(result["environment"], result.get("commit")))
    return "\n\n".join(parts) + "\n"


def _of_older_code(result: Mapping[str, Any], older: list[Any]) -> list[str]:
    """Lines that say what was recorded with other code than that of now: the table, and rows that have a dagger."""
    lines = []
    if code_used.is_older(result.get("code")):
        lines.append(f"{OLDER} than what it uses now: of commit {result['commit'] or 'unknown'}.")
    for made in {(one["date_utc"][:10], one["commit"] or "unknown") for one in older}:
        lines.append(f"{OLDER}:{DAGGER} on {made[0]}, of commit {made[1]}.")
    return sorted(lines)


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    if not rows:
        return NOT_MEASURED

    # A column of numbers is read from the right, whatever is missing in it.
    def number(cell):
        return isinstance(cell, int | float | None) or cell == NOT_APPLICABLE

    numeric = [all(number(row[i]) for row in rows) for i in range(len(columns))]
    lines = [[_escape(name) for name in columns], ["---:" if right else "---" for right in numeric]]
    lines += [[cell_text(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell_text(cell: str | int | float | bool | None) -> str:
    """A cell as shown: four significant digits, thousands grouped, None as "not measured"."""
    if cell is None:
        return NOT_MEASURED
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return _escape(cell)
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.4g}"


def _where(environment: Mapping[str, Any], commit: str | None) -> str:
    """One line: versions, machine, devices, date, load and commit."""
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items() if version)
    load = environment["load_average_at_start"]
    return (
        f"<sub>{versions} · {environment['cpu']}, {environment['cores']} cores, {environment['platform']} · "
        f"devices: {_count(environment['devices'])} · {environment['date_utc']} · "
        f"load average at start {'unknown' if load is None else load}{f' · commit {commit}' if commit else ''}</sub>"
    )


def _count(devices: list[str]) -> str:
    """Each kind once, with how many there are of it."""
    kinds = dict.fromkeys(devices)
    return "; ".join(f"{devices.count(kind)} × {kind}" for kind in kinds)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(f"wrote {write().name}\n")
