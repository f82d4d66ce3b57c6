"""Cheap estimates of a candidate's quality.

`MEASURES` are the built-in scores of untrained networks by label; `one_shot`, `few_shot` and `low_fidelity` make
proxies that train something first; `predictor` and `learning_curve` learn from finished evaluations. Names are loaded
on first use.
"""

from typing import Any

from jcenas import registry


def __getattr__(name: str) -> Any:
    """`MEASURES`, label -> function (PEP 562)."""
    if name == "MEASURES":
        return {entry.options["label"]: registry.load_entry(entry) for entry in registry.built_in("proxy").values()}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
