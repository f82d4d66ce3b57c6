"""The grid zones that the package knows without any download, and the file of their statistics. NumPy only.

`jcenas/carbon/data/typical_year.npz` holds statistics computed by `experiments/forecast/fit_typical_year.py` from
hourly data of Electricity Maps (https://www.electricitymaps.com), published under the Open Database Licence (ODbL 1.0).
"""

import difflib
import functools
import pathlib

import numpy as np

from jcenas.errors import InputError

FILE = pathlib.Path(__file__).parent / "data" / "typical_year.npz"
DEFAULT_ZONE = "US-CAL-CISO"
ATTRIBUTION = "Electricity Maps (electricitymaps.com), ODbL 1.0"


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Names of all zones of the typical-year model, sorted, as Electricity Maps writes them."""
    with np.load(FILE, allow_pickle=False) as archive:
        return tuple(str(name) for name in archive["zones"])


def check_zone(name: str) -> str:
    """Return `name` if it is a known zone.

    Raises:
      InputError: if it is not; names the closest zones and where all are listed.
    """
    names = zone_names()
    if name in names:
        return name
    upper = name.upper()
    close = [zone for zone in names if upper and (upper == zone or upper in zone.split("-"))]
    close += [zone for zone in difflib.get_close_matches(upper, names, n=4, cutoff=0.5) if zone not in close]
    hint = f"did you mean {', '.join(close[:5])}? " if close else ""
    raise InputError(
        f"unknown zone {name!r}; {hint}`jcenas trace --zones` shows all {len(names)}; "
        "or give your own data with --trace FILE.csv"
    )
