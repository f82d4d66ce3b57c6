"""Electric power of a device by state, in watts. Flags of the command line are made from this; no JAX here.

The defaults are *modelled* numbers. Training and scoring: the middle of the 105-229 W that EC-NAS measured on one GPU
over its 2,805 training runs (arXiv 2210.06015 and the raw measurements of its repository). Idle: an assumption, a tenth
of that; measure your own device. PUE: the 1.59 that EC-NAS's carbontracker used.
"""

import dataclasses

from jcenas import units
from jcenas.errors import InputError

STATES = ("training", "scoring", "idle", "switching", "compiling")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerModel:
    """Electric power of one device by state.

    Attributes:
      training_w: power while a candidate or the supernet trains, W.
      scoring_w: power while proposals are scored, W.
      idle_w: power while the device waits, W.
      switching_w: power while the device changes between sampling and evaluating, W; as training if not given.
      compiling_w: power while programs are compiled, W; as training if not given (on a CPU it is the same device).
      pue: power usage effectiveness of the building: energy drawn from the grid per energy used by the devices, >= 1.

    Raises:
      InputError: if a power is negative or not finite, or the PUE is below 1.
    """

    training_w: float = 167.0
    scoring_w: float = 167.0
    idle_w: float = 17.0
    switching_w: float | None = None
    compiling_w: float | None = None
    pue: float = units.DEFAULT_PUE

    def __post_init__(self):
        for state in STATES:
            if not 0 <= self.power_w(state) < float("inf"):
                raise InputError(f"{state}_w is {self.power_w(state)}; a power is finite and not negative (W)")
        if not 1 <= self.pue < float("inf"):
            raise InputError(f"pue is {self.pue}; the power usage effectiveness is at least 1 (1 = no overhead)")

    def shared_by(self, devices: int) -> "PowerModel":
        """Of each of several devices that are parts of one, such as the cores of a CPU: its share of every power."""
        parts = {f"{state}_w": getattr(self, f"{state}_w") for state in STATES}
        return dataclasses.replace(self, **{name: w if w is None else w / devices for name, w in parts.items()})

    def power_w(self, state: str) -> float:
        """Power of the device in one of `STATES`, in W, without PUE."""
        if state not in STATES:
            raise InputError(f"unknown device state {state!r}; use one of {', '.join(STATES)}")
        value = getattr(self, f"{state}_w")
        return self.training_w if value is None else value

    def power_kw(self, state: str) -> float:
        """Power drawn from the grid in one of `STATES`, in kW, PUE included."""
        return self.power_w(state) * self.pue / 1000

    def interval_energy_kwh(self, *, training_s: float = 0.0, scoring_s: float = 0.0, idle_s: float = 0.0) -> float:
        """Energy from the grid, in kWh, of device-seconds in each state, PUE included."""
        joules = self.training_w * training_s + self.scoring_w * scoring_s + self.idle_w * idle_s
        return units.kwh_from_joules(joules) * self.pue
