"""A meter by its name in the registry, or from a file of the user's own."""

import importlib.util
from pathlib import Path
from typing import Any

from jcenas import registry
from jcenas.carbon.meters.meter import Meter
from jcenas.errors import InputError, without_breaks

FILE_SUFFIX = ".py"
MAKER = "make_meter"
_NEEDED = ("name", "measures", "open", "read", "close")


def is_file(text: str) -> bool:
    """Whether a text names a file and no entry of the registry."""
    return Path(text).suffix == FILE_SUFFIX


def meter_from_name(text: str) -> Meter:
    """The meter that a text names: not opened yet.

    Args:
        text: a name of `jcenas list meter`, or a path ending in .py to a file that defines `make_meter() -> Meter`.

    Raises:
        InputError: no such name or file, or the file makes no meter.
    """
    if is_file(text):
        return _of_file(Path(text))
    choice = registry.check("meter", text)
    return registry.load_entry(choice.entry)(*choice.arguments)


def _of_file(path: Path) -> Meter:
    """Run a user's file, and let it make its meter."""
    if not path.is_file():
        raise InputError(f"--meter {path}: no such file; name one of {', '.join(registry.names('meter'))}, or a file")
    spec = importlib.util.spec_from_file_location(f"_jcenas_meter_{path.stem}", path)
    assert spec is not None, "the suffix is Python's"
    assert spec.loader is not None, "the suffix is Python's"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        maker = getattr(module, MAKER, None)
        meter: Any = maker() if callable(maker) else None
    except Exception as error:  # whatever a user's file does
        raise InputError(f"--meter {path}: {type(error).__name__}: {without_breaks(error)}; mend the file") from error
    lacking = [name for name in _NEEDED if not hasattr(meter, name)]
    if maker is None or lacking:
        what = f"what {MAKER}() returns lacks {', '.join(lacking)}" if maker else f"it defines no {MAKER}()"
        raise InputError(f"--meter {path}: {what}; see docs/own_meter.md")
    return meter
