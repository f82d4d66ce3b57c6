"""Grid carbon: traces, the typical-year model, power of devices, and the accounting of energy and emissions.

Names are loaded on first use, so that `import jcenas.carbon` imports neither JAX nor pandas. The typical year is
`jcenas.carbon.typical_year.typical_year`: a name that a module has taken cannot be loaded this way.
"""

import importlib
from typing import Any

_HOME = {
    "CarbonTrace": "trace",
    "Charge": "accounting",
    "PowerModel": "power",
    "charge": "accounting",
    "check_zone": "zones",
    "read_csv": "csv_file",
    "read_json": "json_file",
    "read_mix_csv": "mix_file",
    "read_trace": "trace_file",
    "zone_names": "zones",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.carbon.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
