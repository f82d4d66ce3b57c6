"""Simulated searches side by side on one device: 64 and 1,024 of 80 hours."""

from experiments.accelerator.table import Table
from experiments.cenas import simulator_speed

COLUMNS = simulator_speed.COLUMNS
EXPECTED = "64 searches of vanilla LaMOO in at most 3.2 s (0.050 s each); 1,024 in less than 0.050 s each"
NOTES = (
    "NAS-Bench-201, 8 devices, LaMOO with its full tree rebuilt in every hour that trains; one call of each.",
    "1,024 searches have 64 scenarios, each with sixteen keys.",
    "Emissions are compared with the intensities that the hours paid before anything is timed.",
)
ROW_S = 120.0


def measure(table: Table, *, smoke: bool) -> None:
    """A row for each number of searches."""
    hours, name = (10, "toy") if smoke else (80, "nasbench201")
    counts = {"random search": (2,)} if smoke else {"vanilla LaMOO": (64, 1024), "jcenas, plan": (64,)}
    for label, searches in counts.items():
        for n in searches:

            def measured(label: str = label, n: int = n) -> dict:
                cells = simulator_speed.measure(label, n, hours, name, together=n)
                return dict(zip(COLUMNS, cells, strict=True))

            table.row(f"{n:,} searches, {label}", measured, limit_s=ROW_S)
