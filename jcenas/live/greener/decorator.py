"""A Python function that is called now and runs at the greenest time before a deadline."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from jcenas.errors import InputError
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.terminal import account_lines, say_to_stderr
from jcenas.live.greener.waiting import GreenWait

_Function = TypeVar("_Function", bound=Callable[..., Any])


def greenest(*, say: Callable[[str], None] = say_to_stderr, **values: Any) -> Callable[[_Function], _Function]:
    """Decorator: every call waits for the greenest hours in a row before its deadline, and then runs through.

        @jcenas.greenest(zone="DE", work="3h", deadline="24h")
        def train(): ...

    The call blocks; its result, or what it raises, is the function's. Then a line says what it emitted and saved.

    Args:
        say: takes those lines; standard error if not given.
        **values: fields of `GreenerConfig`, as the flags of `jcenas run`: `work` and `deadline` at least.

    Raises:
        InputError: a value that cannot be; or, when called, a grid that cannot be read.
    """
    config = GreenerConfig(**{"uninterrupted": True, **values})

    def decorate(function: _Function) -> _Function:
        if inspect.iscoroutinefunction(function):
            raise InputError(f"{function.__name__} is a coroutine, and waiting would block its loop; wrap its caller")

        @functools.wraps(function)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            waiting = GreenWait(config, say=say)
            waiting.wait()
            begin_s = waiting.now_s()
            try:
                return function(*arguments, **named)
            finally:
                waiting.ran(begin_s, waiting.now_s())
                say(f"{function.__name__}: {account_lines(waiting.account(), config)[0]}")

        return wrapped  # pyright: ignore[reportReturnType]

    return decorate
