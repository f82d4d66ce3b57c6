"""Carbon intensity of a generation mix, from emission factors by source.

Factors in gCO2eq/kWh as CarbonCast (Maji, Shenoy & Sitaraman, BuildSys 2022) and DACF (e-Energy 2022) publish them:
direct factors count combustion only; life-cycle factors (IPCC 2014 medians) also building, fuel supply and disposal.
"""

from collections.abc import Mapping

import numpy as np

from jcenas.errors import InputError

DIRECT_G_PER_KWH = {
    "coal": 760.0,
    "gas": 370.0,
    "oil": 406.0,
    "unknown": 575.0,
    "biomass": 0.0,
    "geothermal": 0.0,
    "hydro": 0.0,
    "nuclear": 0.0,
    "solar": 0.0,
    "wind": 0.0,
}
LIFE_CYCLE_G_PER_KWH = {
    "coal": 820.0,
    "gas": 490.0,
    "oil": 650.0,
    "unknown": 700.0,
    "biomass": 230.0,
    "geothermal": 38.0,
    "hydro": 24.0,
    "nuclear": 12.0,
    "solar": 45.0,
    "wind": 11.0,
}
_BY_KIND = {"direct": DIRECT_G_PER_KWH, "life-cycle": LIFE_CYCLE_G_PER_KWH}
_ALIASES = {"nat_gas": "gas", "natural_gas": "gas", "other": "unknown"}


def factors_of(kind: str) -> Mapping[str, float]:
    """Emission factors by source, g/kWh, for 'direct' or 'life-cycle'."""
    if kind not in _BY_KIND:
        raise InputError(f"unknown emission factors {kind!r}; use one of {', '.join(_BY_KIND)}")
    return _BY_KIND[kind]


def intensity_of_mix(
    generation: Mapping[str, np.ndarray],
    factors: str = "life-cycle",
    *,
    overrides: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Average intensity sum(E_i f_i) / sum(E_i) of each step, float64 (T,), gCO2eq/kWh.

    Args:
      generation: power or energy by source, (T,) each, in one unit; NaN counts as nothing generated.
      factors: 'direct' or 'life-cycle'.
      overrides: factors of some sources instead, g/kWh (CarbonCast gives Sweden's "unknown" 292.9).

    Raises:
      InputError: if a source is unknown, negative, or a step has no generation at all.
    """
    table = dict(factors_of(factors)) | dict(overrides or {})
    names = {source: source if source in table else _ALIASES.get(source, source) for source in generation}
    unknown = [source for source, name in names.items() if name not in table]
    if unknown:
        raise InputError(f"no emission factor for {', '.join(unknown)}; the sources are {', '.join(table)}")
    power = np.nan_to_num(np.stack([np.asarray(series, np.float64) for series in generation.values()]))
    if (power < 0).any():
        source, step = np.argwhere(power < 0)[0]
        raise InputError(f"negative generation of {list(names)[source]} at step {step}; set storage apart")
    whole = power.sum(axis=0)
    if (whole == 0).any():
        raise InputError(f"no generation at all at step {np.flatnonzero(whole == 0)[0]}; leave out or fill these steps")
    return np.array([table[name] for name in names.values()]) @ power / whole
