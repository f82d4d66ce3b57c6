"""The user's command as a job: its processes are a group of their own, stopped and continued together.

Paused by SIGSTOP, its memory stays as it is. With a signal of its own it is told to save and to exit with a code that
says so (`PAUSE_CODE` unless told otherwise), and going on is to start the same command again.

Nothing stays stopped. What ends this process by a signal is passed on, and the group is continued to receive it; and a
process of a few lines of shell waits for this one to die otherwise (kill -9), and then continues the group, which runs
to its end.
"""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from jcenas.errors import InputError
from jcenas.live.greener.job import State

PAUSE_CODE = 85  # what HTCondor's self-checkpointing jobs exit with
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")  # signals that are passed on
# Blocks until a line or the end of its input comes; the latter means that nobody is left who could write one.
_GUARD = 'IFS= read -r word || kill -s CONT -- "-$0"'


def signal_named(text: str) -> signal.Signals:
    """A signal by its name, such as SIGUSR1 or USR1.

    Raises:
        InputError: there is none, or no process can act on it.
    """
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    found = signal.Signals.__members__.get(name)
    if found is None or name in ("SIGKILL", "SIGSTOP", "SIGCONT"):
        raise InputError(f"--pause-signal {text}: must be a signal that the command handles, such as SIGUSR1")
    return found


def check_command(command: Sequence[str]) -> None:
    """Refuse what cannot be started.

    Raises:
        InputError: nothing to start, no such program, or a system without signals that stop.
    """
    if not hasattr(signal, "SIGSTOP"):
        raise InputError("jcenas run needs signals that stop and continue processes, which this system has not")
    if not command:
        raise InputError("jcenas run: give your command after --, such as: -- python train.py")
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]}: no such program, or not executable; check the command after --")


class Child:
    """The command. Use it within `passing_signals`; `release` leaves nothing behind."""

    def __init__(
        self, command: Sequence[str], *, pause_signal: signal.Signals | None = None, pause_code: int = PAUSE_CODE
    ):
        """Bind the command; it starts with `go_on`.

        Args:
            command: program and arguments.
            pause_signal: what tells it to save and exit; None stops it by SIGSTOP.
            pause_code: what it then exits with.
        """
        self._command, self._pause_signal, self._pause_code = list(command), pause_signal, pause_code
        self.state: State = "waiting"
        self.code, self.leaving = 0, False
        self.changes: queue.SimpleQueue = queue.SimpleQueue()  # the handler of a signal may put into this kind
        self._process: subprocess.Popen | None = None
        self._guard: subprocess.Popen | None = None
        self._lock = threading.RLock()  # against the thread that waits for the command
        self._busy, self._pending = False, []  # a signal that comes while the command is started or paused has to wait

    def go_on(self) -> None:
        """Start it, or let it continue.

        Raises:
            OSError: it cannot be started.
        """
        self._undisturbed(self._go_on)

    def pause(self) -> None:
        """Stop it, or tell it to save and exit."""
        self._undisturbed(self._pause)

    def pass_on(self, number: int) -> None:
        """Hand it a signal, continued if it is stopped; from then on it is let run until it ends."""
        if self._busy:
            self._pending.append(number)
            return
        with self._lock:
            self.leaving = True
            if self.state == "waiting" or (self.state == "paused" and self._pause_signal is not None):
                self.code = 128 + number  # there is no process
            elif self.state != "ended":
                self._signal(number)
                self._signal(signal.SIGCONT)
                self.state = "running"
        self.changes.put(number)

    def release(self) -> None:
        """Let what is left of it run: nothing stays stopped, whatever happened here."""
        self._signal(signal.SIGCONT)
        if self._process is not None:
            self._process.wait()
        self._dismiss()

    def _undisturbed(self, act: Callable[[], None]) -> None:
        """Do something that the handler of a signal must not interrupt; it runs in the same thread."""
        self._busy = True
        try:
            with self._lock:
                if not self.leaving:
                    act()
        finally:
            self._busy = False
            while self._pending:
                self.pass_on(self._pending.pop(0))

    def _go_on(self) -> None:
        if self.state == "waiting" or (self.state == "paused" and self._pause_signal is not None):
            # A session of its own: Ctrl-C reaches this process only, and stopping it stops no shell.
            self._process = subprocess.Popen(self._command, start_new_session=True)
            self.state = "running"
            threading.Thread(target=self._wait, args=(self._process,), daemon=True).start()
        elif self.state == "paused":
            self._signal(signal.SIGCONT)
            self.state = "running"

    def _pause(self) -> None:
        if self.state != "running":
            return
        if self._pause_signal is not None:
            assert self._process is not None
            self._process.send_signal(self._pause_signal)  # to the command alone: its helpers know nothing of it
            self.state = "pausing"
        else:
            self._watch()
            self._signal(signal.SIGSTOP)
            self.state = "paused"

    def _signal(self, number: int) -> None:
        """Send to the whole group; it may be gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _wait(self, process: subprocess.Popen) -> None:
        """In a thread: what the end of a process means."""
        code = process.wait()
        with self._lock:
            self._signal(signal.SIGCONT)  # whoever of the group is left, where its leader was killed while stopped
            asked = self.state == "pausing" and not self.leaving
            if asked and code == self._pause_code:
                self.state = "paused"
            else:
                self.code, self.state = code if code >= 0 else 128 - code, "ended"
        self.changes.put(code)

    def _watch(self) -> None:
        """Start the process that continues the group if this one dies."""
        if self._guard is None and self._process is not None:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
            )

    def _dismiss(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(b"over\n")
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None


@contextlib.contextmanager
def passing_signals(child: Child) -> Iterator[None]:
    """Within it, Ctrl-C and other signals that end a process go to the command; at its end nothing is left stopped."""

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        child.pass_on(number)

    numbers = [getattr(signal, name) for name in ENDING]
    taken = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup is left alone
    before = {number: signal.signal(number, handle) for number in taken}
    try:
        yield
    finally:
        child.release()
        for number, handler in before.items():
            signal.signal(number, handler)
