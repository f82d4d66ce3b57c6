"""What device time is spent on, in words, and what a run's emissions are compared with.

The terminal's summary and the report state both alike. No JAX here.
"""

from typing import NamedTuple

# purpose of an interval: its name, in the order in which a run meets them
KINDS = {
    "compiling": "compiling",
    "starting": "starting workers",
    "timing": "timing of steps",
    "latency": "latency measurements",
    "inference-energy": "energy measurements",
    "supernet": "supernet training",
    "scoring": "scoring proposals",
    "candidate": "candidate training",
    "switching": "switching",
    "idle": "idle",
    "test": "final test",
}


def side_by_side_text(count: int, at_once_s: dict[str, float]) -> str:
    """How many candidates a device trains at once, and what an epoch of one took by number at once where measured."""
    measured = ", ".join(f"{seconds:.3g} s with {number}" for number, seconds in at_once_s.items())
    return f"{count}" + (f" (an epoch of one: {measured})" if measured else "")


class Comparison(NamedTuple):
    """Emissions that a run is held against."""

    against: str  # what would have emitted them
    meaning: str  # what the difference holds
    emissions_g: float | None  # None: not known (yet)


def comparisons(
    energy_kwh: float, *, mean_of_hours: float | None, mean_of_trace: float | None, blind_g: float | None
) -> list[Comparison]:
    """The three comparisons of a run: with the mean of its hours, with itself blind to the grid, with the trace's mean.

    Args:
      energy_kwh: of the run.
      mean_of_hours: mean intensity of the hours that the run lasted, g/kWh.
      mean_of_trace: mean intensity of the whole trace, g/kWh.
      blind_g: emissions of the same work done without pause, g.
    """
    hours, trace = (None if mean is None else mean * energy_kwh for mean in (mean_of_hours, mean_of_trace))
    return [
        Comparison(
            f"the same energy at the mean of the run's hours{_stated(mean_of_hours)}",
            "what the timing of the work within the run brought, set-up before the first hour included",
            hours,
        ),
        Comparison(
            "the same search blind to the grid",
            "its own recorded trainings, done without pause from the first hour on",
            blind_g,
        ),
        Comparison(
            f"the same energy at the trace's mean{_stated(mean_of_trace)}",
            "as published figures are stated; holds the choice of season and start",
            trace,
        ),
    ]


def saving(emissions_g: float, other: Comparison) -> float | None:
    """Share of the other's emissions that the run did not emit; negative where it emitted more, None if unknown."""
    return None if not other.emissions_g else 1 - emissions_g / other.emissions_g


def change(emissions_g: float, other: Comparison, energy_kwh: float) -> str:
    """The difference in words: 12.5 % less, 3.0 % more, or why there is none."""
    saved = saving(emissions_g, other)
    if saved is not None:
        return f"{abs(saved):.1%} {'less' if saved >= 0 else 'more'}".replace("%", " %")
    if energy_kwh <= 0:
        return "no energy spent"
    return "not known yet" if other.emissions_g is None else "nothing to save at an intensity of 0"


def _stated(mean: float | None) -> str:
    return "" if mean is None else f", {mean:.0f} g/kWh"
