"""The one exception that means "the input is at fault": its message names the thing and the remedy.

The command line prints it as one line and exits with code 2; every other exception is a defect and keeps its traceback.
"""

import operator

MOST_SEED = 2**31 - 1
MOST_HOURS = 24 * 366 * 10  # of a run; a trace of ten years


class InputError(ValueError):
    """A flag, file or folder that cannot be used as it is. The message is one line for the user."""


class ImageSideError(InputError):
    """Images whose sides a network cannot halve as often as it does."""


def one_line(message: object, most: int = 1000) -> str:
    """A message as one line for a terminal: control characters escaped, and its middle left out where it is long.

    Args:
        message: what is said; it may hold what a user or a file gave.
        most: characters that are kept.
    """
    text = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in str(message))
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[len(text) - most // 2 :]}"


def without_breaks(message: object) -> str:
    """What an error says, with a space for every run of spaces and line breaks."""
    return " ".join(str(message).split())


def check_integer(flag: str, value: int | None, least: int, most: int) -> None:
    """Refuse an integer outside its range.

    Args:
        flag: how the user writes it, such as --hours.
        value: what was given; None is nothing, and passes.
        least: smallest that is taken.
        most: largest.

    Raises:
        InputError: it is outside, or no integer, in one line.
    """
    if value is None:
        return
    try:
        operator.index(value)
    except TypeError:
        raise InputError(f"{flag} {without_breaks(value)}: must be an integer") from None
    if least <= value <= most:
        return
    raise InputError(f"{flag} {value}: must be at {f'least {least}' if value < least else f'most {most}'}")


def check_column(column: str | None, file: object) -> None:
    """Raise InputError where a column is named and there is no trace file that could have it."""
    if column and file is None:
        raise InputError(f"--column {column}: there is no trace file to take it from; name one, or leave --column out")
