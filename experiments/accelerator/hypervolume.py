"""Hypervolume and dominance: many fronts at once, single fronts, and many points; beside moocore where it is."""

from typing import Any

import numpy as np

from experiments.accelerator.table import Table
from experiments.lib.recording import NOT_APPLICABLE
from experiments.moo import hypervolume_speed as speed
from experiments.moo.peers import has, hypervolume_of

COLUMNS = tuple(name for name in speed.COLUMNS if name not in {"task", *(f"{peer} ms" for peer in speed.OTHERS)})
EXPECTED = "single fronts: m = 3 <= 0.3 ms, m = 4 <= 0.5 ms, m = 5 <= 5 ms; values within 1e-5 of moocore"
NOTES = (
    "float32 on the device against double precision on one CPU core; a batch is a Python loop over the peer.",
    "Without moocore a hypervolume is compared with nothing here; the tests compare it.",
)
ROW_S = 45.0
# (objectives, fronts, points of each, goal in ms), the single ones with the longest loops last
FRONTS = (
    (2, 1000, 50, NOT_APPLICABLE),
    (3, 1000, 50, NOT_APPLICABLE),
    (4, 1000, 50, NOT_APPLICABLE),
    (3, 1, 1000, 0.3),
    (4, 1, 200, 0.5),
    (5, 1, 100, 5.0),
)
SMOKE = ((2, 10, 20, NOT_APPLICABLE), (4, 1, 10, NOT_APPLICABLE))


def measure(table: Table, *, smoke: bool) -> None:
    """The rows."""
    moocore = hypervolume_of("moocore", installing=False) if has("moocore") else None
    peers = dict.fromkeys(speed.OTHERS) | {"moocore": moocore}
    repeats, points = (2, 200) if smoke else (10, 10_000)

    def add(name: str, of: Any) -> None:
        def measured() -> dict[str, Any]:
            cells: dict[str, Any] = dict(zip(speed.COLUMNS, of(), strict=True))
            return {column: cells[column] for column in COLUMNS}

        table.row(name, measured, limit_s=ROW_S)

    for m, fronts, n, goal in SMOKE if smoke else FRONTS:
        random = np.random.default_rng(m)
        case = (peers, random, m, fronts, n, goal, repeats)
        add(f"hypervolume, m = {m}, {fronts:,} x {n:,}", lambda case=case: speed.hypervolume_row(*case))
    for task in ("dominance number", "non-dominated mask"):
        case = (np.random.default_rng(0), task, points, NOT_APPLICABLE, repeats)
        add(f"{task}, {points:,} points", lambda case=case: speed.dominance_row(*case))
