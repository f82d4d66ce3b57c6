"""Providers by name, for the command line: `electricity-maps,typical-year` asks in this order."""

import pathlib
from collections.abc import Callable, Sequence

from jcenas import registry, units
from jcenas.carbon.providers.base import Fallback, Provider
from jcenas.carbon.trace_file import read_trace
from jcenas.carbon.zones import DEFAULT_ZONE
from jcenas.errors import InputError
from jcenas.registry import Choice


def provider_from_name(text: str) -> Provider:
    """Make the provider, or the chain of providers, that a text names.

    Args:
      text: a name of the registry, or several with commas between them: the later ones stand in for the earlier ones.

    Raises:
      InputError: if a name is unknown; lists them.
    """
    providers = [_made(choice) for choice in choices(text)]
    return providers[0] if len(providers) == 1 else Fallback(providers)


def chain_from_name(text: str, warn: Callable[[str], None]) -> Fallback:
    """The same as a chain, of one provider or more; `warn` is told of each that fails.

    Raises:
      InputError: if a name is unknown; lists them.
    """
    return Fallback([_made(choice) for choice in choices(text)], warn)


def choices(text: str) -> list[Choice]:
    """The registry's entries that a text names, in its order.

    Raises:
      InputError: if a name is unknown, or one comes twice.
    """
    found = [registry.check("provider", name.strip()) for name in text.split(",")]
    names = [choice.entry.name for choice in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"carbon provider {twice!r} is named twice; name it once, where it is to be asked")
    return found


def needs_service(text: str) -> bool:
    """Whether one of the providers that a text names is asked over the network, and so knows real hours only."""
    return any(choice.entry.options.get("service", True) for choice in choices(text))


def services(text: str, providers: Sequence[Provider]) -> frozenset[str]:
    """Names of those providers, made from a text, that are asked over the network."""
    pairs = zip(choices(text), providers, strict=True)
    return frozenset(one.name for choice, one in pairs if choice.entry.options.get("service", True))


def check_alone(
    text: str, *, zone: str, trace: pathlib.Path | None, column: str, start: str, hour_seconds: float
) -> None:
    """Refuse flags that say, beside `--provider`, otherwise what the hours are.

    Args:
      text: names of providers.
      zone: of the grid; must be given for a service.
      trace: file of a recorded trace; none can be beside providers.
      column: of that file.
      start: time that is taken for now; in real time there can be none.
      hour_seconds: seconds that an hour lasts; a service knows real hours only.

    Raises:
      InputError: names the flag.
    """
    service, real = needs_service(text), hour_seconds >= units.SECONDS_PER_HOUR
    if trace is not None or column:
        given = "--trace" if trace is not None else "--column"
        raise InputError(f"--provider {text} and {given}: both say what the grid is; leave one of them out")
    if service and hour_seconds != units.SECONDS_PER_HOUR:
        raise InputError(
            f"--provider {text} knows real hours only, and an hour lasts {hour_seconds:g} s here; "
            "add --hour-seconds 3600, or use --provider typical-year, which needs no service"
        )
    if start and (service or real):
        raise InputError(f"--start {start}: with --provider a run in real time begins now; leave it out")
    check_zone_given(text, zone)


def check_zone_given(text: str, zone: str) -> None:
    """Refuse a service without a zone.

    Raises:
      InputError: no zone is given and none is usual.
    """
    if not zone and needs_service(text):
        raise InputError(f"--provider {text} needs a --zone, as the service writes it, such as DE (gb knows GB only)")


def zone_to_ask(text: str, zone: str) -> str:
    """The zone that the providers which a text names are asked for: as given, else that of a file among them.

    Raises:
      InputError: no zone is given and none is usual, or the file cannot be read or has several zones.
    """
    check_zone_given(text, zone)
    files = [str(choice.arguments[0]) for choice in choices(text) if choice.entry.name == "file"]
    if zone or not files:
        return zone or DEFAULT_ZONE
    return read_trace(files[0]).zone


def _made(choice: Choice) -> Provider:
    return registry.load_entry(choice.entry)(*choice.arguments)
