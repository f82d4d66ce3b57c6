"""Providers by name, for the command line: `electricity-maps,typical-year` asks in this order."""

from jcenas.carbon.providers.base import Fallback, Provider
from jcenas.errors import InputError

NAMES = ("electricity-maps", "watttime", "great-britain", "typical-year", "file:PATH")


def provider_from_name(text: str) -> Provider:
    """Make the provider, or the chain of providers, that a text names.

    Args:
      text: one of `NAMES`, or several with commas between them: the later ones stand in for the earlier ones.

    Raises:
      InputError: if a name is unknown; lists them.
    """
    providers = [_one(name.strip()) for name in text.split(",")]
    return providers[0] if len(providers) == 1 else Fallback(providers)


def _one(name: str) -> Provider:
    from jcenas.carbon.providers import electricity_maps, great_britain, local, watttime

    if name.startswith("file:") and len(name) > len("file:"):
        return local.File(name.removeprefix("file:"))
    table = {
        "electricity-maps": electricity_maps.ElectricityMaps,
        "watttime": watttime.WattTime,
        "great-britain": great_britain.GreatBritain,
        "typical-year": local.TypicalYear,
    }
    if name not in table:
        raise InputError(f"unknown carbon provider {name!r}; the providers are {', '.join(NAMES)}")
    return table[name]()
