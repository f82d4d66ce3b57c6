"""Names of a search's costs, as a command line or a program gives them."""

from collections.abc import Sequence

from jcenas.errors import InputError

MOST_COSTS = 3  # beside the validation error


def cost_names(given: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the costs, which are the objectives beside the error; a single text is one name, "" is none.

    Raises:
        InputError: more than `MOST_COSTS`, or one of them twice.
    """
    names = tuple(name for name in ((given,) if isinstance(given, str) else given) if name)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"--cost {' '.join(names)}: {twice!r} is named twice; each cost is an objective of its own")
    if len(names) > MOST_COSTS:
        raise InputError(
            f"--cost {' '.join(names)}: these are {len(names)} costs, and a search takes at most {MOST_COSTS} beside "
            "the error; leave some out"
        )
    return names
