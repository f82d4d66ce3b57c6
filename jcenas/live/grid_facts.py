"""What is said of a live grid: who gave how many hours in which accounting, whose forecast was how wrong. No JAX."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

HELD = "held"  # the source of an hour that nobody knew: the one before stood in
_FLOOR_G_PER_KWH = 1.0  # an hour at 0 has no relative error; it counts as 1, as in `jcenas forecast`


def facts(hours: Iterable[Any], forecasts: Iterable[Any]) -> dict[str, Any] | None:
    """What the summary holds; None where no hour was asked for.

    Args:
        hours: rows of the table `grid`, which give a column by its name.
        forecasts: the same of the table `forecasts`.
    """
    counts: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    known: dict[int, tuple[str, float]] = {}
    for row in hours:
        known[row["hour"]] = row["source"], row["intensity_g_per_kwh"]
        count = counts[row["source"], row["kind"], row["factors"]]
        count[0] += 1
        count[1] += bool(row["estimated"])
    if not known:
        return None
    errors: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in forecasts:
        source, true = known.get(row["issued"] + row["lead"], ("", 0.0))
        if source == row["source"]:
            true = max(true, _FLOOR_G_PER_KWH)
            ours, theirs = (max(row[name], _FLOOR_G_PER_KWH) for name in ("ours_g_per_kwh", "theirs_g_per_kwh"))
            errors[source].append((abs(ours - true) / true, abs(theirs - true) / true))
    return {
        "hours": [
            {"source": source, "kind": kind, "factors": factors, "hours": count, "estimated": estimated}
            for (source, kind, factors), (count, estimated) in counts.items()
        ],
        "forecasts": [
            {"source": source, "pairs": len(both), "ours": _mean(both, 0), "theirs": _mean(both, 1)}
            for source, both in errors.items()
        ],
    }


def _mean(pairs: list[tuple[float, float]], which: int) -> float:
    return sum(pair[which] for pair in pairs) / len(pairs)


def source_text(part: Mapping[str, Any]) -> str:
    """One of `hours` in words: hours, who gave them, and in which accounting."""
    accounting = f"{part['kind']}, {part['factors']}"
    if part["source"] == HELD:
        return f"{part['hours']} h that nobody knew, the hour before held ({accounting})"
    estimated = f"; {part['estimated']} of them estimated" if part["estimated"] else ""
    return f"{part['hours']} h by {part['source']} ({accounting}{estimated})"


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Lines: the hours by source, a warning where accountings are mixed, the forecasts held beside one another."""
    lines = ["; ".join(source_text(part) for part in found["hours"])]
    if len({(part["kind"], part["factors"]) for part in found["hours"]}) > 1:
        lines.append("warning: these hours differ in their accounting, so the emissions are a mixture of several")
    for one in found["forecasts"]:
        lines.append(
            f"forecasts of the coming day, mean error of {one['pairs']} hours: {one['ours']:.1%} of the one that the "
            f"policy was told, {one['theirs']:.1%} of {one['source']}'s own".replace("%", " %")
        )
    return lines
