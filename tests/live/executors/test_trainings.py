"""Who trains in a device's slots: every training goes on from its own last step, wherever it goes on."""

import types

import numpy as np
import pytest

from jcenas.live import device_work
from jcenas.live.device_work import LocalDevice
from jcenas.live.executors.executor import Hooks
from jcenas.live.executors.trainings import DeviceTrainings, Shared
from jcenas.live.state import Job

TOTAL = 6  # steps of a training; a chunk is one step


class State(types.SimpleNamespace):
    """Steps of a training, and who took them."""

    total = TOTAL


class Slots:
    """Slots that note in each state which genomes it was trained with."""

    def __init__(self, count):
        self.count = count

    def empty(self):
        return [State(step=0, by=[]) for _ in range(self.count)]

    def put(self, states, slot, state):
        return [state if i == slot else old for i, old in enumerate(states)]

    def take(self, states, slot):
        return states[slot]

    def train(self, states, genomes):
        after = [
            State(step=state.step + 1, by=[*state.by, genome]) for state, genome in zip(states, genomes, strict=True)
        ]
        return after, [0.5] * self.count


class Hour:
    """Trainings to give out, and what became of them."""

    def __init__(self, *rows):
        self.waiting, self.left_s, self.ended = [Job(row, (row,)) for row in rows], {}, set()

    def next_job(self):
        return self.waiting.pop(0) if self.waiting else None


@pytest.fixture
def devices(monkeypatch):
    """Two devices of two slots, and the states that finished trainings ended with, by row."""
    saved, finished = {}, {}

    def begin_or_load(folder, fresh, name, notify):
        return saved.get(folder, fresh)

    monkeypatch.setattr(device_work, "load_or_begin", begin_or_load)
    monkeypatch.setattr(device_work.checkpoint, "save", lambda folder, state: saved.update({folder: state}))
    programs = types.SimpleNamespace(
        init=lambda key, epochs: State(step=0, by=[]),
        score_batch=8,
        trainer=types.SimpleNamespace(chunk_steps=1),
        validation_error=lambda state, genome: finished.update({genome[0]: state}) or 0.1,
    )
    problem = types.SimpleNamespace(
        cost_names=("params",),
        clocked=(),
        metered=(),
        costs=lambda genomes: np.ones((1, 1)),
        seconds=lambda genomes: np.ones(1),
    )
    shared = Shared(
        config=types.SimpleNamespace(seed=0, epochs=1, latency_batch=1),
        folder=types.SimpleNamespace(candidate=lambda proposal: proposal),
        ledger=types.SimpleNamespace(job=lambda proposal: (0.0, 0.0, 0.0), clock=[0.0, 0.0]),
        problem=problem,
        spend=lambda *spent: None,
        cut_on={},
    )
    hooks = Hooks(lambda: False, lambda job: None, lambda *done: True, lambda job: None, lambda line: None)
    at_work = [LocalDevice(shared.config, programs, Slots(2), None) for _ in range(2)]
    for device in at_work:
        device.open(shared.folder)
    found = [DeviceTrainings(device, at_work[device], shared) for device in range(2)]
    for device in found:
        device.begin(hooks)
    return found, finished


def chunks(n):
    """An hour that is open for so many chunks."""
    left = iter([True] * n)
    return lambda: next(left, False)


def test_a_training_that_comes_back_does_not_go_on_with_what_was_left_behind_of_it(devices):
    (one, other), finished = devices
    first, third = Hour(7, 8), Hour(7)
    one.work(chunks(2), first)  # 7 and 8 in the two slots
    assert set(first.left_s) == {7, 8}
    other.work(chunks(1), Hour(7))  # 7 goes on elsewhere, while 8 ends beside the slot that 7 has left
    one.work(chunks(9), Hour(8))
    assert set(finished) == {8}
    one.work(chunks(1), third)  # 7 comes back, into the slot that 8 has left, and is cut there
    assert set(third.left_s) == {7}
    one.work(chunks(9), Hour(7))
    assert set(finished) == {7, 8}
    for row, state in finished.items():
        assert (state.step, state.by) == (TOTAL, [(row,)] * TOTAL)


def test_a_slot_that_others_trained_beside_is_not_gone_on_with(devices):
    (one, _), finished = devices
    one.work(chunks(2), Hour(7, 8))
    one.work(chunks(2), Hour(8))  # 7 waits; its slot is computed all the same
    one.work(chunks(9), Hour(7, 8))
    assert {row: state.by for row, state in finished.items()} == {row: [(row,)] * TOTAL for row in (7, 8)}
