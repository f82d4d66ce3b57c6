"""Names of the built-in allocation policies and their arguments; checked before anything heavy is imported.

A name is `KIND` or `KIND:NUMBER`, for example `heuristic` or `static:0.5`.
"""

import difflib
from typing import NamedTuple

from jcenas.errors import InputError

DEFAULT_POLICY = "heuristic"


class Kind(NamedTuple):
    """What the command line says about a policy."""

    help: str
    default: float | None = None  # of the number after the colon; None: the policy takes no number
    required: bool = False


KINDS = {
    "heuristic": Kind("sampling share = (CI - min) / (max - min) over the window of intensities"),
    "heuristic-queue": Kind("the linear heuristic; an empty queue samples, a full one evaluates"),
    "threshold": Kind("evaluate below this fraction of the window's range, sample above", default=0.5),
    "threshold-queue": Kind("the threshold; an empty queue samples, a full one evaluates", default=0.5),
    "plan": Kind("evaluate in the hours that the forecast calls cleanest, at most this fraction of them", default=0.5),
    "pace": Kind("the cleanest hours on this share of the devices, more if that leaves carbon over", default=0.25),
    "oracle": Kind("the same with the true future, which no real run knows: a bound", default=0.5),
    "ppo": Kind("a network trained by proximal policy optimisation, as the package ships it"),
    "static": Kind("this evaluation share in every hour", required=True),
    "evaluate-all": Kind("all devices train candidates"),
    "sample-all": Kind("all devices propose and score until this fraction of the time, then all train", default=0.75),
}


def policy_names() -> tuple[str, ...]:
    """How every policy may be written, for help texts and errors."""

    def written(name: str, kind: Kind) -> str:
        if kind.required:
            return f"{name}:SHARE"
        return name if kind.default is None else f"{name}[:FRACTION]"

    return tuple(written(name, kind) for name, kind in KINDS.items())


def check_policy(text: str) -> tuple[str, float | None]:
    """Split a policy's name into its kind and its number.

    Args:
      text: for example `heuristic` or `static:0.5`.

    Returns:
      The kind, one of `KINDS`, and its number in [0, 1], or None for a kind without one.

    Raises:
      InputError: if the kind is unknown, or its number is missing, superfluous or outside [0, 1].
    """
    name, colon, number = text.partition(":")
    known = ", ".join(policy_names())
    if name not in KINDS:
        close = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"unknown policy {text!r}; {hint}the policies are {known}")
    kind = KINDS[name]
    if not kind.required and kind.default is None:
        if colon:
            raise InputError(f"policy {name!r} takes no number, but {text!r} gives one; the policies are {known}")
        return name, None
    if not colon and kind.default is not None:
        return name, kind.default
    try:
        share = float(number)
    except ValueError:
        raise InputError(f"policy {text!r} needs a number in [0, 1] after the colon, for example {name}:0.5") from None
    if not 0 <= share <= 1:
        raise InputError(f"policy {text!r}: {number} is not in [0, 1]; write, for example, {name}:0.5")
    return name, share
