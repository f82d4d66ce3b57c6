"""The end of a search as a few lines of text."""

import math
from pathlib import Path
from typing import Any

from jcenas.live import grid_facts
from jcenas.live.finish import SearchResult
from jcenas.live.kinds import KINDS, change, comparisons, side_by_side_text
from jcenas.live.measured import in_words
from jcenas.live.progress import LONGEST_CELL, short_cell

_ROWS = 10


def summary_lines(result: SearchResult, page: Path | None) -> list[str]:
    """What was found, what it emitted and which numbers are modelled, for a terminal."""
    s = result.summary
    scored = f", {s['scored']} scored" if s["scored"] else ""
    lines = [
        "",
        *_images(s.get("images")),
        *_side_by_side(s.get("side_by_side", 1), s.get("at_once_s", {})),
        f"{result.status}: {s['evaluations']} trained from scratch, {s['failed']} failed{scored}",
    ]
    if result.pareto.empty:
        lines.append("no training was finished: give more --hours, or a policy that evaluates")
    else:
        front = result.pareto.drop(columns=["proposal", "genome", "energy_kwh"]).head(_ROWS).dropna(axis=1, how="all")
        formats: Any = {"accuracy": _percent, "test_accuracy": _percent}
        shortened = front["cell"].str.len().max() > LONGEST_CELL
        front["cell"] = [cell if len(cell) <= LONGEST_CELL else short_cell(cell) for cell in front["cell"]]
        lines += ["", f"Pareto front ({len(result.pareto)} cells):", front.to_string(index=False, formatters=formats)]
        if shortened:
            lines.append(f"cells in full: {page or result.folder / 'run.db'}")
    emitted, energy = s["emissions_g"], s["energy_kwh"]
    lines += ["", f"emissions {emitted:.3g} gCO2eq for {energy:.3g} kWh; of these:", *_charged(s)]
    if s.get("meter"):
        lines.append(f"energy: {in_words(s['meter'], s['device_s'])}")
    if s.get("grid") is not None:
        lines += [f"grid: {line}" for line in grid_facts.in_words(s["grid"])]
    others = comparisons(
        energy,
        mean_of_hours=s["mean_of_hours_g_per_kwh"],
        mean_of_trace=s["mean_intensity_g_per_kwh"],
        blind_g=s["emissions_blind_g"],
    )
    for other in others:
        lines.append(f"{other.against}: {other.emissions_g:.3g} g (this run: {change(emitted, other, energy)})")
        lines.append(f"    {other.meaning}")
    lines += [
        f"not charged: {'; '.join(s['not_charged'])}",
        f"modelled: {'; '.join(s['modelled'])}",
        f"measured: {'; '.join(s['measured'])}",
        f"wall {s['wall_s']:.1f} s, device {s['device_s']:.1f} s (idle included)",
        f"run folder: {result.folder}" + (f"   report: {page}" if page else ""),
    ]
    return lines


def _percent(fraction: float) -> str:
    """A fraction as per cent; a dash where it is not known, as the test accuracy of weights that were damaged."""
    return "-" if math.isnan(fraction) else f"{fraction:.2%}"


def _images(used: dict[str, Any] | None) -> list[str]:
    """What was learnt; runs of older versions do not say."""
    if used is None:
        return []
    kind = "grey" if used["channels"] == 1 else "colour"
    counts = f"{used['train']} for training, {used['validation']} for validation, {used['test']} for the test"
    left_out = f"; {used['left_out']} files left out" if used.get("left_out") else ""
    size = f"{used['side']} x {used['side']}, {kind}"
    return [f"images: {used['source']}, {used['classes']} classes, {size}: {counts}{left_out}"]


def _side_by_side(count: int, at_once_s: dict[str, float]) -> list[str]:
    """How many candidates a device trained at once, where that was more than one or was chosen among several."""
    if count == 1 and len(at_once_s) < 2:
        return []
    return [f"candidates at once on a device: {side_by_side_text(count, at_once_s)}"]


def _charged(s: dict[str, Any]) -> list[str]:
    """A line for each kind of device time that occurs."""
    seconds, grams = s["device_s_by_purpose"], s["emissions_g_by_purpose"]
    kinds = [kind for kind in KINDS if kind in seconds]
    kinds += sorted(set(seconds) - set(kinds))
    width = max((len(KINDS.get(kind, kind)) for kind in kinds), default=0)
    return [f"    {KINDS.get(kind, kind):<{width}}  {seconds[kind]:8.1f} s  {grams[kind]:8.3g} g" for kind in kinds]
