"""A real command: stopped and continued, told to save, handed signals, and left to nobody."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from jcenas.errors import InputError
from jcenas.live.greener.child import Child, check_command, passing_signals, signal_named

TOY = pathlib.Path(__file__).with_name("toy_command.sh")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop processes")


def toy(folder, steps=1_000_000, code=3):
    return ["/bin/sh", str(TOY), str(folder), str(steps), str(code)]


def until(condition, seconds=120.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.01)


def steps(folder):
    log = folder / "log"
    return [line.split()[1] for line in log.read_text().splitlines() if line.startswith("step")] if log.exists() else []


def pid(folder):
    return int((folder / "log").read_text().split()[1])


def alive(number):
    """Whether a process exists, and is no corpse."""
    try:
        text = pathlib.Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def stopped(number):
    """Whether a process and all of its group are stopped; a shell that waits for its fork sleeps."""
    states = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # gone meanwhile
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                states += [state] if int(group) == number else []
    return "T" in states and set(states) <= set("TDZ")


def test_stops_and_goes_on(tmp_path):
    child = Child(toy(tmp_path))
    with passing_signals(child):
        child.go_on()
        until(lambda: steps(tmp_path))
        child.pause()
        assert child.state == "paused"
        until(lambda: stopped(pid(tmp_path)))
        before = len(steps(tmp_path))
        time.sleep(0.3)
        assert len(steps(tmp_path)) == before
        child.go_on()
        until(lambda: len(steps(tmp_path)) > before)
        (tmp_path / "enough").touch()
        until(lambda: child.state == "ended")
    assert child.code == 3
    assert steps(tmp_path) == [str(step) for step in range(1, len(steps(tmp_path)) + 1)]


def test_saves_at_its_signal_and_is_started_again(tmp_path):
    child = Child(toy(tmp_path), pause_signal=signal.SIGUSR1)
    with passing_signals(child):
        child.go_on()
        until(lambda: steps(tmp_path))
        child.pause()
        assert child.state in ("pausing", "paused")
        until(lambda: child.state == "paused")
        before = len(steps(tmp_path))
        assert (tmp_path / "saved").read_text() == f"{before}\n"
        child.go_on()
        until(lambda: len(steps(tmp_path)) > before)
        (tmp_path / "enough").touch()
        until(lambda: child.state == "ended")
    assert child.code == 3
    assert steps(tmp_path) == [str(step) for step in range(1, len(steps(tmp_path)) + 1)]


def test_a_command_that_its_pause_signal_kills_has_ended(tmp_path):
    child = Child(["sleep", "60"], pause_signal=signal.SIGUSR1)
    with passing_signals(child):
        child.go_on()
        child.pause()
        until(lambda: child.state == "ended")
    assert child.code == 128 + signal.SIGUSR1


def test_a_signal_reaches_a_stopped_command(tmp_path):
    child = Child(toy(tmp_path))
    with passing_signals(child):
        child.go_on()
        until(lambda: steps(tmp_path))
        child.pause()
        os.kill(os.getpid(), signal.SIGINT)
        until(lambda: child.state == "ended")
    assert child.code == 7  # of its own handler
    assert child.leaving
    assert not alive(pid(tmp_path))


def test_the_end_leaves_nothing_stopped(tmp_path):
    def fail():
        with passing_signals(child := Child(toy(tmp_path))):
            child.go_on()
            until(lambda: steps(tmp_path))
            child.pause()
            (tmp_path / "enough").touch()
            raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError):
        fail()
    assert not alive(pid(tmp_path))  # it was continued, and has seen that it was enough


def test_helpers_of_a_killed_command_are_not_left_stopped(tmp_path):
    script = "sleep 0.5 & echo $! > helper; echo $$ > leader; wait"
    child = Child(["/bin/sh", "-c", f"cd {tmp_path}; {script}"])
    with passing_signals(child):
        child.go_on()
        until(lambda: (tmp_path / "leader").exists() and (tmp_path / "leader").read_text())
        child.pause()
        os.kill(int((tmp_path / "leader").read_text()), signal.SIGKILL)
        until(lambda: child.state == "ended")
    helper = int((tmp_path / "helper").read_text())
    until(lambda: not alive(helper))
    assert child.code == 128 + signal.SIGKILL


def test_a_stopped_command_goes_on_when_this_process_is_killed(tmp_path):
    program = (
        "import sys, time\n"
        "from jcenas.live.greener.child import Child, passing_signals\n"
        f"child = Child({toy(tmp_path)!r})\n"
        "with passing_signals(child):\n"
        "    child.go_on()\n"
        f"    log = __import__('pathlib').Path({str(tmp_path / 'log')!r})\n"
        "    while not (log.exists() and 'step' in log.read_text()): time.sleep(0.01)\n"
        "    child.pause()\n"
        "    print('paused', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "paused\n"
        until(lambda: stopped(pid(tmp_path)))
        process.kill()
        before = len(steps(tmp_path))
        until(lambda: len(steps(tmp_path)) > before)  # the group was continued
    (tmp_path / "enough").touch()
    until(lambda: not alive(pid(tmp_path)))


def test_what_cannot_be_started():
    with pytest.raises(InputError, match="give your command after --"):
        check_command(())
    with pytest.raises(InputError, match="no-such-program: no such program"):
        check_command(("no-such-program",))
    for name in ("SIGKILL", "STOP", "SIGNONSENSE"):
        with pytest.raises(InputError, match=f"--pause-signal {name}: must be a signal"):
            signal_named(name)
    assert signal_named("usr1") == signal_named("SIGUSR1") == signal.SIGUSR1
