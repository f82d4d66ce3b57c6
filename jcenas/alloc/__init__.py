"""Who decides the split of the devices between sampling and evaluating: policies of one signature.

    policy(key, params, observation) -> evaluation share in [0, 1]

Names are loaded on first use, so that `import jcenas.alloc` imports no JAX.
"""

import importlib
from typing import Any

_HOME = {
    "Observation": "observation",
    "Policy": "policies",
    "check_policy": "names",
    "devices_for_share": "devices",
    "policy_from_name": "policies",
    "policy_names": "names",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.alloc.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
