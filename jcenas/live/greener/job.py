"""What a job is to its pilot: it waits, runs, is asked to pause, and ends."""

import queue
from typing import Literal, Protocol

State = Literal["waiting", "running", "pausing", "paused", "ended"]
AT_WORK = ("running", "pausing")


class Pausable(Protocol):
    """Something that can be started, paused and resumed."""

    @property
    def state(self) -> State:
        """Where it stands; `pausing` still runs."""
        ...

    @property
    def code(self) -> int:
        """How it ended, as a shell would say it."""
        ...

    @property
    def leaving(self) -> bool:
        """Whether it was told to end, and is to be let run until it does."""
        ...

    @property
    def changes(self) -> queue.SimpleQueue:
        """Gets an item when the state changes by itself."""
        ...

    def go_on(self) -> None:
        """Start or resume it; nothing where it runs."""
        ...

    def pause(self) -> None:
        """Ask it to pause."""
        ...
