"""Providers by name, for the command line: `electricity-maps,typical-year` asks in this order."""

from jcenas import registry
from jcenas.carbon.providers.base import Fallback, Provider


def provider_from_name(text: str) -> Provider:
    """Make the provider, or the chain of providers, that a text names.

    Args:
      text: a name of the registry, or several with commas between them: the later ones stand in for the earlier ones.

    Raises:
      InputError: if a name is unknown; lists them.
    """
    providers = [_one(name.strip()) for name in text.split(",")]
    return providers[0] if len(providers) == 1 else Fallback(providers)


def _one(name: str) -> Provider:
    choice = registry.check("provider", name)
    return registry.load_entry(choice.entry)(*choice.arguments)
