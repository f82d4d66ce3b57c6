"""The forecaster: a training step beside the same network in PyTorch where it is, and one forecast."""

from collections.abc import Callable
from typing import Any

from experiments.accelerator.table import Table
from experiments.forecast import speed
from experiments.moo import peers as moo_peers

COLUMNS = tuple(speed.COLUMNS[1:])
EXPECTED = "a step at most as long as PyTorch eager's; a forecast <= 20 ms"
NOTES = (
    "Window 168 x 16, 96 h ahead, d_model 64, 3 layers, 4 heads, float32, AdamW; 15 repeats. One step a call.",
    "A step of ours also draws its windows from the table, drops inputs and prepares features; PyTorch's has prepared "
    "inputs, and pinball loss only.",
)
ROW_S = 60.0


def peer(*sizes: object) -> dict[str, Any] | None:
    """PyTorch as it is here; None where it is not."""
    return moo_peers.run_here(speed.PEER, *sizes, "auto") if moo_peers.has("torch") else None


def measure(table: Table, *, smoke: bool) -> None:
    """Training steps of both patch lengths, and a forecast."""
    batch, repeats = (16, 3) if smoke else (256, 15)

    def add(name: str, cells_of: Callable[[], list[Any]]) -> None:
        table.row(name, lambda: dict(zip(COLUMNS, cells_of()[1:], strict=True)), limit_s=ROW_S)

    for patch in (24,) if smoke else (24, 1):
        name = f"training step, {patch} h patches, batch {batch}"
        add(name, lambda patch=patch: speed.step_row(patch, batch, repeats, peer_of=None if smoke else peer))
    add("one forecast", lambda: speed.forecast_row(repeats))
