"""Providers of carbon intensity for a running search: live services, a file, or the typical year.

Every provider has `history` and `forecast`. Names are loaded on first use.
"""

import importlib
from typing import Any

_HOME = {
    "ElectricityMaps": "electricity_maps",
    "Fallback": "base",
    "File": "local",
    "GreatBritain": "great_britain",
    "HttpClient": "http_client",
    "Provider": "base",
    "ProviderError": "base",
    "ProviderWarning": "base",
    "TypicalYear": "local",
    "WattTime": "watttime",
    "provider_from_name": "names",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.carbon.providers.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
