"""Conversions and physical constants. Energy in J, Wh or kWh, emissions in gCO2eq, time in s or h.

Every number names its source; nothing else in the package holds a bare conversion factor.
"""

from typing import Any

SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24
HOURS_PER_WEEK = 168
JOULES_PER_KWH = 3.6e6
GRAMS_PER_POUND = 453.59237  # international avoirdupois pound, exact
BYTES_PER_FLOAT32 = 4  # of a weight or an activation

# Energy of arithmetic and of memory in a 45 nm process at 0.9 V: M. Horowitz, "Computing's energy problem", ISSCC 2014.
JOULES_PER_MULTIPLY_ADD_F32 = 4.6e-12  # 3.7 pJ multiply + 0.9 pJ add
JOULES_PER_DRAM_BYTE = 160e-12  # 640 pJ per 32-bit word

# Power usage effectiveness of the EC-NAS measurements (carbontracker's default for 2020): arXiv 2210.06015.
DEFAULT_PUE = 1.59


def kwh_from_joules(energy_j: float) -> float:
    """Energy in kWh of an energy in J."""
    return energy_j / JOULES_PER_KWH


def energy_kwh(power_w: float, seconds: float) -> float:
    """Energy in kWh of a constant power in W over a time in s."""
    return power_w * seconds / JOULES_PER_KWH


def inference_energy_j(multiply_adds: Any, bytes_moved: Any) -> Any:
    """Modelled energy of one inference at batch 1, J, of numbers or arrays: arithmetic plus memory."""
    return JOULES_PER_MULTIPLY_ADD_F32 * multiply_adds + JOULES_PER_DRAM_BYTE * bytes_moved
