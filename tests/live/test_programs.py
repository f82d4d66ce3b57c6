"""The programs of several devices of a process: traced and lowered for the first, with the same results on each."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jcenas.live import SearchConfig
from jcenas.live.config import ARRAYS
from jcenas.live.programs import DevicePrograms, make_problem
from jcenas.live.side_by_side import slots_of
from jcenas.live.streamed import StreamedPrograms
from jcenas.runtime import sharding
from jcenas.train import image_set
from jcenas.train.host_set import HostPart, HostSet

CELL, OTHER = (3, 1, 2, 1, 3, 4), (2, 0, 1, 3, 4, 1)
SMALL = {"channels": 2, "cells": 1, "batch_size": 32, "images": ARRAYS}


@pytest.fixture(scope="module")
def digits():
    whole = load_digits()
    return image_set(whole.images[:120] / 16, whole.target[:120])


@pytest.fixture
def lowered(monkeypatch):
    """Names of the programs that are lowered meanwhile."""
    names = []

    def note(event, duration_secs, **facts):
        del duration_secs
        if event.endswith("jaxpr_to_mlir_module_duration"):
            names.append(facts.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.unregister_event_duration_listener(note)


def on_host(data):
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    parts = {
        name: HostPart(np.asarray(part.images), np.arange(len(part.labels)), np.asarray(part.labels))
        for name, part in parts.items()
    }
    facts = {"mean": np.asarray(data.mean), "deviation": np.asarray(data.deviation)}
    return HostSet(**parts, **facts, classes=data.classes, flip=data.flip)


def trained(programs):
    """Two chunks of a cell, what is measured of it, and scores."""
    state = programs.init(jax.random.key(1), 2)
    losses = []
    for genome in (CELL, OTHER):
        state, loss = programs.train_candidate(state, genome)
        losses.append(loss)
    assert all(leaf.devices() == {programs.device} for leaf in jax.tree.leaves(state))
    scores = programs.training_free(np.array([CELL, OTHER])) if programs.config.stage != "none" else []
    error = programs.validation_error(state, CELL)
    return np.array([*losses, error, *scores])


@pytest.fixture
def apart(monkeypatch):
    """The devices of this CPU as those of accelerators: each runs its own programs."""
    monkeypatch.setattr(sharding, "home", lambda device: device)


@pytest.mark.slow
@pytest.mark.devices(2)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_second_device_computes_the_same_and_nothing_is_lowered_for_it(digits, lowered, apart, streamed):
    config = SearchConfig(**SMALL, stage="none" if streamed else "zero-shot:naswot")
    kind, data = (StreamedPrograms, on_host(digits)) if streamed else (DevicePrograms, digits)
    first, second = sharding.local_devices(2)
    one = kind(config, make_problem(config, data), data, first)
    assert lowered
    before = len(lowered)
    other = one.on(second)
    other.wait()
    assert len(lowered) == before
    assert (one.device, other.device) == (first, second)
    np.testing.assert_array_equal(trained(one), trained(other))


@pytest.mark.slow
@pytest.mark.devices(2)
def test_the_slots_of_a_second_device_are_not_traced_again(digits, lowered, apart):
    config = SearchConfig(**SMALL, stage="none")
    first, second = sharding.local_devices(2)
    one = DevicePrograms(config, make_problem(config, digits), digits, first)
    other, losses = one.on(second), []
    assert slots_of(one, 1).on(other).count == 1
    slots = slots_of(one, 2)
    before = len(lowered)
    there = slots.on(other)
    there.wait()
    assert len(lowered) == before
    assert there is slots.on(other)  # kept, as the programs are
    for programs, of_device in ((one, slots), (other, there)):
        states = of_device.put(of_device.empty(), 1, programs.init(jax.random.key(1), 2))
        states, both = of_device.train(states, [None, CELL])
        losses.append(both[1])
        assert of_device.take(states, 1).step.devices() == {programs.device}
    assert losses[0] == losses[1]


@pytest.mark.slow
@pytest.mark.devices(2)
def test_the_devices_of_a_cpu_share_programs_and_train_at_once_what_they_train_alone(digits):
    config = SearchConfig(**SMALL, stage="none")
    first, second = sharding.local_devices(2)
    one = StreamedPrograms(config, make_problem(config, digits), on_host(digits), first)
    other = one.on(second)
    assert one.device == other.device == first
    assert all(other._compiled[name] is program for name, program in one._compiled.items())
    alone = trained(one)
    with ThreadPoolExecutor(2) as pool:  # each brings its own images
        for found in pool.map(trained, [one, other]):
            np.testing.assert_array_equal(found, alone)
