import os
import signal
import subprocess
import sys
import time

import pytest

from jcenas.runtime.running_time import RunningTime, Stopwatch


class Clock:
    def __init__(self):
        self.now = self.used = 0.0

    def pass_by(self, seconds, busy):
        self.now += seconds
        self.used += busy * seconds


def test_by_hand():
    clock = Clock()
    running = RunningTime(lambda: clock.now, lambda: clock.used, longest_s=3.0)
    clock.pass_by(0.25, busy=0.0)  # waits for an accelerator
    assert running.read() == (0.25, 0.0)
    clock.pass_by(20.0, busy=1.0)  # a call that lets no other thread run
    assert running.read() == (20.25, 0.0)
    clock.pass_by(30.0, busy=0.001)  # stopped
    assert running.read() == (20.25, 30.0)
    clock.pass_by(2.0, busy=0.0)
    assert running.read() == (22.25, 30.0)


def test_a_stopwatch_measures_what_passes():
    watch = Stopwatch()
    time.sleep(0.05)
    ran, stood = watch.read()
    assert 0.04 < ran < 20
    assert stood == 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="the system cannot stop a process")
def test_a_stopped_process_did_not_run():
    script = (
        "import os, signal\nfrom jcenas.runtime.running_time import RunningTime\n"
        "running = RunningTime(longest_s=1.0)\nprint(flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)\n"
        "ran, stood = running.read()\nprint(ran, stood)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    time.sleep(1.6)
    os.kill(process.pid, signal.SIGCONT)
    ran, stood = map(float, process.communicate(timeout=60)[0].split())
    assert ran < 1.0 < stood
