"""What is said of a run's meter at its end, in the terminal and in the report. No JAX here."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jcenas.live.ledger import Ledger


def facts(ledger: "Ledger") -> dict[str, Any] | None:
    """What the summary holds: the meter, and joules counted and modelled of the same time; None where none counted."""
    measured = ledger.measured()
    return {**ledger.described(), **measured._asdict()} if measured.seconds else None


def in_words(found: dict[str, Any], device_s: float) -> str:
    """One line: what was counted in how much of the device time, and what the power model says of the same.

    Args:
        found: as from `facts`.
        device_s: of the run, idle time included.
    """
    differs = f", so {found['measured_j'] / found['modelled_j'] - 1:+.0%}" if found["modelled_j"] > 0 else ""
    return (
        f"{found['measured_j']:.4g} J counted by {found['name']} in {found['seconds']:.1f} of {device_s:.1f} s of "
        f"device time; the power model says {found['modelled_j']:.4g} J for the same{differs}"
    )
