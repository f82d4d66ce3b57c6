"""The table of the league, and what it says of ours: a row for each problem, batch and optimiser."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

SIZES = (50, 100, 300, 600)
COLUMNS = ("problem", "batch", "optimiser", "seeds", *(f"after {size}" for size in SIZES), "ask ms")
LIMIT_MS = 50.0
_DRAWS = 2000


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    random = np.random.default_rng(0)
    drawn = np.median(random.choice(np.asarray(values), (_DRAWS, len(values))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def first(values: Mapping[str, Sequence[float]]) -> set[str]:
    """The optimiser with the least median, and those whose median is not above the interval of that one's."""
    medians = {name: float(np.median(found)) for name, found in values.items()}
    best = min(medians, key=medians.__getitem__)
    _, high = interval(values[best])
    return {name for name, median in medians.items() if median <= max(high, medians[best])}


def _cell(values: Sequence[float], leads: bool) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]" + (" *" if leads else "")


def rows(
    lines: Iterable[Mapping[str, Any]], problems: Sequence[str], batches: Sequence[int]
) -> list[list[str | int | float | None]]:
    """Rows of `COLUMNS`; a size that an optimiser was not run to is None. The last line of a search counts."""
    searches: dict[tuple, Mapping[str, Any]] = {}
    for line in lines:
        searches[line["problem"], line["batch"], line["optimizer"], line["seed"]] = line
    table = []
    for problem in problems:
        for batch in batches:
            chosen: dict[str, list[Mapping[str, Any]]] = {}
            for (at, size, name, _), line in searches.items():
                if (at, size) == (problem, batch):
                    chosen.setdefault(name, []).append(line)
            at_size = {
                size: {
                    name: [line["missing"][str(size)] for line in some if str(size) in line["missing"]]
                    for name, some in chosen.items()
                }
                for size in SIZES
            }
            present = {size: {name: v for name, v in found.items() if v} for size, found in at_size.items()}
            leading = {size: first(found) if found else set() for size, found in present.items()}
            for name, some in chosen.items():
                cells = [_cell(v, name in leading[s]) if (v := at_size[s][name]) else None for s in SIZES]
                ask_ms = 1e3 * float(np.median([line["ask_s"][1] for line in some]))
                table.append([problem, batch, name, len(some), *cells, ask_ms])
    return table


def verdict(table: Sequence[Sequence[Any]], ours: Sequence[str]) -> str:
    """Which of ours is first or within the interval of the first everywhere, or how near the nearest comes."""
    sizes = range(4, 4 + len(SIZES))
    scores = {}
    for name in ours:
        mine = [row for row in table if row[2] == name]
        cells = [(row, i) for row in mine for i in sizes if row[i] is not None]
        lost = [f"{row[0]} batch {row[1]} {COLUMNS[i]}" for row, i in cells if not row[i].endswith("*")]
        slow = max((row[-1] for row in mine), default=0.0)
        if cells:
            scores[name] = (len(cells) - len(lost), len(cells), lost, slow)
    if not scores:
        return "Not measured: none of ours took part."
    most = max(count for _, count, _, _ in scores.values())
    whole = {name: score for name, score in scores.items() if score[1] == most}
    best = max(whole, key=lambda name: (whole[name][0], -whole[name][3]))
    won, count, lost, slow = whole[best]
    speed = f"its slowest median ask takes {slow:.0f} ms ({'within' if slow <= LIMIT_MS else 'above'} {LIMIT_MS:.0f})"
    if not lost and slow <= LIMIT_MS:
        return f"Met: {best} is first or within the interval of the first in all {count} cells; {speed}."
    missed = f"; not in {', '.join(lost)}" if lost else ""
    near = f"the nearest is {best}, first or within the interval of the first in {won} of {count} cells"
    return f"Missed: {near}{missed}; {speed}."
