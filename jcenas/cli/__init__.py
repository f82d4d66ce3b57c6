"""The command `jcenas`: one file a command, a frozen dataclass whose docstring and fields make its flags."""

from collections.abc import Callable, Sequence

from jcenas.cli import stopping

if stopping.is_program():  # before anything that takes time is imported
    stopping.quit_at_once()


def parse(arguments: Sequence[str]) -> Callable[[], int]:
    """The command that the words after `jcenas` ask for, as a function that runs it and returns the exit status.

    Raises:
        InputError: wrong arguments, in one line.
    """
    from jcenas.cli.main import command_of

    return command_of(arguments).run
