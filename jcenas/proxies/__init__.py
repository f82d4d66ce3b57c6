"""Cheap estimates of a candidate's quality.

`MEASURES` are the scores of untrained networks by name; `one_shot`, `few_shot` and `low_fidelity` make proxies that
train something first; `predictor` and `learning_curve` learn from finished evaluations. Names are loaded on first use.
"""

import importlib
from typing import Any

_MEASURES = {
    "synflow": ("synflow", "synflow"),
    "SNIP": ("snip", "snip"),
    "gradient norm": ("gradient_norm", "gradient_norm"),
    "Fisher": ("fisher", "fisher"),
    "NASWOT": ("naswot", "naswot"),
    "Jacobian covariance": ("jacobian_covariance", "jacobian_covariance"),
    "Zen-score": ("zen", "zen"),
    "NTK condition": ("gradient_kernel", "ntk_condition"),
    "gradient-kernel mean": ("gradient_kernel", "kernel_mean"),
}


def __getattr__(name: str) -> Any:
    """`MEASURES`, name -> function (PEP 562)."""
    if name == "MEASURES":
        modules = {label: importlib.import_module(f"jcenas.proxies.{home}") for label, (home, _) in _MEASURES.items()}
        return {label: getattr(modules[label], function) for label, (_, function) in _MEASURES.items()}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
