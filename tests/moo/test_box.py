import jax
import numpy as np
import pytest

from jcenas.moo import Box, hypervolume, nsga2, problems, random_search


def test_mutation_moves_one_variable_within_the_box(key):
    box = Box(variables=3, levels=5, reach=2.0)
    genomes = box.sample(key, 500)
    moved = np.asarray(jax.vmap(box.mutate)(jax.random.split(key, 500), genomes))
    assert np.all((moved != genomes).sum(1) == 1)
    assert moved.min() == 0
    assert moved.max() == 4


def found(optimizer, problem, box, key, steps):
    def step(state, key):
        state, genomes = optimizer.ask(key, state)
        values = jax.vmap(problem.evaluate)(box.features(genomes))
        return optimizer.tell(state, genomes, values), values

    first, rest = jax.random.split(key)
    _, values = jax.lax.scan(step, optimizer.init(first), jax.random.split(rest, steps))
    return hypervolume(values.reshape(-1, 2), np.array([1.1, 6.0], np.float32))


@pytest.mark.slow
def test_nsga2_beats_random_on_zdt1(key):
    problem, box = problems.zdt1(8), Box(variables=8)
    random = random_search(box, capacity=1200, batch=20)
    evolved = nsga2(box, capacity=1200, batch=20, population=20)
    best = hypervolume(problem.front(500), np.array([1.1, 6.0], np.float32))
    values = [float(jax.jit(lambda k, o=o: found(o, problem, box, k, 60))(key)) for o in (random, evolved)]
    assert values[1] > values[0]
    assert values[1] > 0.93 * best


def test_bad_box_is_named():
    with pytest.raises(ValueError, match="levels at least 2"):
        Box(variables=2, levels=1)
