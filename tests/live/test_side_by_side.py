"""Candidates side by side on one device: each as alone, coming and going; how many; and whole searches of them."""

import math
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jcenas import Problem, registry
from jcenas.errors import InputError
from jcenas.live import SearchConfig, functions, prepare, search
from jcenas.live.config import ARRAYS
from jcenas.live.database import RunDatabase
from jcenas.live.programs import DevicePrograms, make_problem
from jcenas.live.progress import Quiet
from jcenas.live.side_by_side import SideBySide, choose, refusing_too_many
from jcenas.problems import Skeleton
from jcenas.report import write_report
from jcenas.runtime import sharding
from jcenas.train import image_set
from jcenas.train.population import make_population
from jcenas.train.training import TrainConfig, make_trainer

SMALL = {
    "channels": 4,
    "batch_size": 64,  # two steps an epoch
    "learning_rate": 0.02,  # rounding grows slowly
    "devices": 1,
    "proposals": 8,
    "optimizer": "random",
    "stage": "none",
    "policy": "evaluate-all",
    "reference_error": 1.0,
    "side_by_side": 3,
}
A, B, C = (3, 1, 2, 1, 3, 4), (1, 4, 0, 2, 1, 3), (2, 0, 1, 3, 4, 1)
# Float32 rounds at 1e-7, and the two forms sum in different orders; ten steps make at most a ten-thousandth of it in a
# loss. Another genome, key or place in the schedule moves the loss by more than ten times this.
LOSS = 1e-3


@pytest.fixture(scope="module")
def digits():
    """Two hundred, of which 128 are trained and 32 validate."""
    whole = load_digits()
    return image_set(whole.images[:200] / 16, whole.target[:200])


def config(folder, **options):
    return SearchConfig(**({"name": "run", "runs": folder, "hours": 8, "hour_seconds": 1000.0} | SMALL | options))


def test_the_number_at_once_rises_as_long_as_it_pays():
    def of(times):
        return lambda count: (times[count], 2 * times[count])

    paying = {1: 1.0, 4: 0.5, 16: 0.3, 64: 0.28}
    chosen, measured = choose(of(paying), most=1000, limit_s=60)
    assert (chosen, list(measured)) == (16, [1, 4, 16, 64])  # the last one pays less than a fifth
    assert choose(of(paying), most=15, limit_s=60)[0] == 4
    assert choose(of(paying), most=1000, limit_s=0) == (1, {1: (1.0, 2.0)})
    assert choose(of(paying | {4: 0.9}), most=1000, limit_s=60)[0] == 1


def test_the_number_at_once_stays_where_more_cannot_be():
    def of(error, kind=jax.errors.JaxRuntimeError):
        def measured(count):
            if count > 4:
                raise kind(error)
            return (1 / count,)

        return measured

    full = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes"
    assert choose(of(full), most=1000, limit_s=60) == (4, {1: (1.0,), 4: (0.25,)})
    assert choose(of("images that stay on the host", InputError), most=1000, limit_s=60)[0] == 4
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        choose(of("INTERNAL: no"), most=1000, limit_s=60)
    with pytest.raises(InputError, match="--side-by-side 64: a device has no room"), refusing_too_many(64):
        of(full)(64)


def test_a_function_is_evaluated_by_one_worker_alone():
    problem = Problem.from_function({"x": [0, 1]}, math.hypot, costs={"size": len})
    with pytest.raises(InputError, match="--side-by-side 3: a worker process evaluates one at a time"):
        functions.check(SearchConfig(problem="function", side_by_side=3), problem)


def shapes(tree):
    return jax.tree.map(lambda leaf: leaf.shape, tree)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nasbench101", "darts", "mobilenet"])  # nasnet is as darts, nasbench201 is run below
def test_the_networks_of_a_problem_trace_side_by_side_with_the_weights_that_they_have_alone(name, digits):
    """Nothing is compiled; the numbers of each form are held by the tests of its network."""
    sizes = registry.check("problem", name).entry.options
    skeleton = Skeleton(image_size=8, image_channels=1, classes=10, channels=4, cells=min(sizes["cells"], 3))
    problem = registry.load("problem", name)(skeleton=skeleton)
    d = len(problem.space.cardinalities)
    recipe = TrainConfig(batch_size=8, chunk_steps=2)
    both = [make_trainer(problem.network(on_cpu=cpu), recipe, digits, genome_size=d) for cpu in (True, False)]
    alone, apart = (jax.eval_shape(trainer.init, jax.random.key(0), jnp.int32(1)) for trainer in both)
    assert shapes(alone) == shapes(apart)
    population = make_population(both[1], within="vmap")
    states = jax.eval_shape(population.init, jax.random.split(jax.random.key(0), 2), jnp.int32(1))
    chunk = jax.ShapeDtypeStruct((2, both[1].chunk_steps, d), jnp.int32)
    after, losses = jax.eval_shape(population.chunk, states, chunk, digits)
    assert shapes(after) == shapes(states)
    assert losses.shape == (2,)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, digits):
    """The programs of this file's searches: kept in the process, so that they compile nothing again."""
    settings = config(tmp_path_factory.mktemp("none"), images=ARRAYS)
    return prepare.prepare(settings, prepare.load_images(settings, print, digits), print)


def alone(programs, state, genome, chunks):
    """Losses of so many chunks, and the validation error after them."""
    losses = []
    for _ in range(chunks):
        state, loss = programs.train_candidate(state, genome)
        losses.append(loss)
    return losses, programs.validation_error(state, genome)


@pytest.mark.slow
def test_members_that_come_and_go_are_each_as_alone(prepared):
    programs, slots = prepared.at_work[0].programs, prepared.at_work[0].slots
    assert slots.count == prepared.side_by_side == 3

    def fresh(number):
        return programs.init(jax.random.fold_in(jax.random.key(0), number), 5)

    broken = fresh(3)
    broken = broken.replace(params=jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), broken.params))
    states, losses = slots.empty(), {A: [], B: [], C: []}
    states = slots.put(slots.put(states, 0, fresh(0)), 2, fresh(1))
    for moment, genomes in enumerate([(A, None, B), (A, None, B), (A, A, C), (A, A, C), (None, None, C)]):
        if moment == 2:  # B leaves; C takes its slot, and what diverges the free one
            left = slots.take(states, 2)
            states = slots.put(slots.put(states, 2, fresh(2)), 1, broken)
        if moment == 4:
            done = slots.take(states, 0)
        states, found = slots.train(states, genomes)
        for slot, genome in enumerate(genomes):
            if genome is not None and slot != 1:
                losses[genome].append(found[slot])
        assert math.isfinite(found[1]) == (moment < 2)
    losses_a, error_a = alone(programs, fresh(0), A, 4)
    losses_b, error_b = alone(programs, fresh(1), B, 2)
    losses_c, error_c = alone(programs, fresh(2), C, 3)
    np.testing.assert_allclose(losses[A] + losses[B] + losses[C], losses_a + losses_b + losses_c, rtol=LOSS)
    assert min(abs(np.subtract(losses_a[:3], losses_c))) > 10 * LOSS
    found = programs.validation_error(done, A), programs.validation_error(slots.take(states, 2), C)
    np.testing.assert_allclose(found, (error_a, error_c), atol=1.5 / 32)  # rounding may turn a tie
    # What has left goes on alone: its steps, key and schedule left with it.
    assert programs.validation_error(left, B) == pytest.approx(error_b, abs=1.5 / 32)
    state, loss = programs.train_candidate(left, B)
    assert int(state.step) == 6
    np.testing.assert_allclose(loss, alone(programs, fresh(1), B, 3)[0][2], rtol=LOSS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cells"), [("nasbench101", 1), ("darts", 2), ("nasnet", 2), ("mobilenet", 1)])
def test_two_of_every_other_problem_are_each_as_alone(name, cells, digits, tmp_path):
    settings = config(tmp_path, images=ARRAYS, problem=name, cells=cells, channels=2, side_by_side=2)
    problem = make_problem(settings, digits)
    programs = DevicePrograms(settings, problem, digits, sharding.local_devices(1)[0])
    slots = SideBySide(programs, 2)
    drawn = np.asarray(problem.space.sample(jax.random.key(3), 16))
    one, other = map(tuple, drawn[problem.has(drawn)][:2].tolist())

    def fresh(number):
        return programs.init(jax.random.fold_in(jax.random.key(0), number), 5)

    states, losses = slots.put(slots.put(slots.empty(), 0, fresh(0)), 1, fresh(1)), []
    for genomes in ((one, other), (one, other), (None, other)):
        states, found = slots.train(states, genomes)
        losses.append(found)
    losses_one, _ = alone(programs, fresh(0), one, 2)
    losses_other, error_other = alone(programs, fresh(1), other, 3)
    np.testing.assert_allclose([row[0] for row in losses[:2]], losses_one, rtol=LOSS)
    np.testing.assert_allclose([row[1] for row in losses], losses_other, rtol=LOSS)
    assert abs(losses_one[1] - losses_other[1]) > 10 * LOSS
    assert programs.validation_error(slots.take(states, 1), other) == pytest.approx(error_other, abs=1.5 / 32)


def rows_of(folder, query):
    database = RunDatabase(folder / "run.db")
    rows = [tuple(row) for row in database.rows(query)]
    database.close()
    return rows


def check_shares(folder):
    """The device is charged once, and the books of the candidates add up to it."""
    [(charged,)] = rows_of(folder, "SELECT SUM(seconds) FROM intervals WHERE purpose = 'candidate'")
    [(shared,)] = rows_of(
        folder, "SELECT SUM(seconds * share) FROM intervals JOIN shares ON intervals.id = shares.interval"
    )
    [(single,)] = rows_of(
        folder, "SELECT COALESCE(SUM(seconds), 0) FROM intervals WHERE purpose = 'candidate' AND proposal IS NOT NULL"
    )
    assert shared + single == pytest.approx(charged, rel=1e-9)
    [(evaluated,)] = rows_of(folder, "SELECT SUM(seconds) FROM evaluations")
    assert evaluated == pytest.approx(charged, rel=1e-9)  # nothing is left half-trained in these searches
    for column in ("energy_kwh", "emissions_g"):
        [(by_interval,)] = rows_of(folder, f"SELECT SUM({column}) FROM intervals")
        assert rows_of(folder, f"SELECT SUM({column}) FROM hours") == [(pytest.approx(by_interval, rel=1e-9),)]


class StopInTraining(Quiet):
    """Stops a search while several networks train."""

    def __init__(self):
        self.stop, self.most = threading.Event(), 0

    def update(self, progress):
        self.most = max(self.most, len(progress.running))
        if sum(0.3 < one.fraction < 1 for one in progress.running) == 3:
            self.stop.set()


@pytest.mark.slow
def test_a_search_three_at_a_time_is_cut_goes_on_alone_and_finds_what_it_finds_alone(prepared, digits, tmp_path):
    watcher = StopInTraining()
    options = {"evaluations": 5, "epochs": 5}
    first = search(config(tmp_path / "three", **options), images=digits, observer=watcher, stop=watcher.stop)
    assert (first.status, first.summary["side_by_side"], watcher.most) == ("interrupted", 3, 3)
    assert len([path for path in (first.folder / "checkpoints").iterdir() if path.name.startswith("candidate")]) == 3
    result = search(resume=first.folder, changes={"side_by_side": 1}, images=digits)
    assert (result.status, result.summary["side_by_side"]) == ("finished", 1)
    by_itself = search(config(tmp_path / "one", side_by_side=1, **options), images=digits)
    found, expected = (one.evaluations.set_index("cell").sort_index() for one in (result, by_itself))
    assert list(found.index) == list(expected.index)
    # Ten steps; three of the five were trained side by side for part of them.
    np.testing.assert_allclose(found["accuracy"], expected["accuracy"], atol=1.5 / 32)
    check_shares(result.folder)
    assert "candidates at once" in write_report(result.folder).read_text()
