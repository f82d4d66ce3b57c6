"""What an entry of the registry is: a kind, a name, where the object is, and what may follow the name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

# What one of a kind is called in a message, and several.
KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "optimizer": ("optimizer", "optimizers"),
        "policy": ("policy", "policies"),
        "stage": ("stage", "stages"),
        "problem": ("problem", "problems"),
        "table": ("table", "tables"),
        "images": ("data set", "data sets"),
        "provider": ("carbon provider", "carbon providers"),
        "executor": ("executor", "executors"),
        "meter": ("meter", "meters"),
        "proxy": ("proxy", "proxies"),
        "cost": ("cost", "costs"),
    }
)
OURS = "jcenas"  # the source of built-in entries
DESCRIBED = "__jcenas__"  # attribute that `describe` sets


class Argument(NamedTuple):
    """What may follow a name after a colon.

    Attributes:
        placeholder: what help texts write for it.
        default: its value where it is left out.
        required: whether the name alone is refused.
        limits: least and largest value of a number; None for a text.
        kind: of the entry that a text must name; None for any text.
    """

    placeholder: str
    default: float | str | None = None
    required: bool = False
    limits: tuple[float, float] | None = None
    kind: str | None = None


class Entry(NamedTuple):
    """What is known of a name before anything is imported.

    Attributes:
        kind: a key of `KINDS`.
        name: without argument.
        target: "module:attribute".
        help: one line; empty for other packages' entries, see `help_line`.
        argument: what may follow the colon; None: nothing.
        source: distribution that it comes from.
        options: facts by kind, such as the reference point of a table.
    """

    kind: str
    name: str
    target: str
    help: str = ""
    argument: Argument | None = None
    source: str = OURS
    options: Mapping[str, Any] = MappingProxyType({})


class Choice(NamedTuple):
    """A name that was checked, and what followed its colon: a number where the entry wants one, or its default."""

    entry: Entry
    argument: float | str | None

    @property
    def arguments(self) -> tuple[float | str, ...]:
        """Positional arguments of the factory: none or one."""
        return () if self.argument is None else (self.argument,)


def describe(*, argument: Argument | None = None, options: Mapping[str, Any] | None = None) -> Callable[[Any], Any]:
    """Decorator by which another package's object states its entry's argument and options."""

    def mark(target: Any) -> Any:
        setattr(target, DESCRIBED, (argument, MappingProxyType(dict(options or {}))))
        return target

    return mark
