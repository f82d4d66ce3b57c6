"""Tabular NAS benchmarks as device arrays; where data lives, fetching, integrity.

Names are loaded on first use, so that `import jcenas.tables` imports neither JAX nor pandas.
"""

import importlib
from typing import Any

_HOME = {
    "Table": "table",
    "check_table": "names",
    "load_table": "names",
    "locate": "store",
    "table_names": "names",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.tables.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
