"""The real cluster: a carbon-aware search on the devices of this machine.

    from jcenas.live import SearchConfig, search
    result = search(SearchConfig(hours=24))
    print(result.pareto)

Names are loaded on first use, so that the command line can read the configuration without importing JAX.
"""

import importlib
from typing import Any

_HOME = {"SearchConfig": "config", "SearchResult": "finish", "search": "start"}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.live.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
