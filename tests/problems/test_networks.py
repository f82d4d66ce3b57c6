"""The contract of every network problem of the registry: what it says is what its networks are."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas import registry
from jcenas.errors import InputError
from jcenas.problems import NetworkProblem, Skeleton

NAMES = list(registry.built_in("problem"))


def make(name: str, **changes) -> NetworkProblem:
    entry = registry.check("problem", name).entry
    usual = {key: entry.options[key] for key in ("channels", "cells")}
    sizes = {"image_size": 8, "image_channels": 1, "classes": 10} | usual | changes
    return registry.load("problem", name)(skeleton=Skeleton(**sizes))


@pytest.fixture(scope="module", params=NAMES)
def problem(request) -> NetworkProblem:
    return make(request.param)


def test_the_name_is_the_registrys_and_the_problem_is_a_value(problem):
    assert problem.name in NAMES
    assert make(problem.name) == problem
    assert hash(make(problem.name)) == hash(problem)
    assert dataclasses.replace(problem, cost_names=("flops",)) != problem


def test_its_sample_is_valid_and_strings_go_both_ways(problem):
    genomes = problem.population
    assert problem.has(genomes).all()
    assert not problem.has(np.full((3, genomes.shape[1]), 99, np.int32)).any()
    for genome in genomes[:20]:
        text = problem.to_string(tuple(genome.tolist()))
        again = problem.space.from_string(text)
        assert problem.to_string(tuple(again.tolist())) == text
        np.testing.assert_array_equal(problem.parameters(again[None]), problem.parameters(genome[None]))
    with pytest.raises(InputError):
        problem.space.from_string("nothing of the kind")


def test_genomes_of_one_string_are_one_network(problem):
    genomes = [tuple(genome) for genome in problem.population[:100].tolist()]
    names = {problem.to_string(genome): problem.identity(genome) for genome in genomes}
    assert all(problem.identity(genome) == names[problem.to_string(genome)] for genome in genomes)
    assert len(set(names.values())) > 30  # and different ones are told apart


def test_parameters_are_those_of_the_network(problem):
    images = jnp.zeros((1, 8, 8, 1))
    for genome in (problem.lightest, *problem.dearest, tuple(problem.population[0].tolist())):
        network = problem.fixed(genome)
        shapes = jax.eval_shape(lambda network=network: network.init(jax.random.key(0), images))
        size = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        assert float(problem.parameters(np.array([genome]))[0]) == size


def test_costs_grow_with_the_network_and_stay_below_the_reference(problem):
    ends = np.array([problem.lightest, problem.dearest[0]])
    for cost in ("params", "flops", "energy", "memory"):
        one = dataclasses.replace(problem, cost_names=(cost,))
        light, heavy = one.costs(ends)[:, 0]
        assert 0 < light < heavy
        error, most = one.reference_point(0.9)
        assert error == 0.9
        assert one.costs(problem.population).max() < most
    measured = dataclasses.replace(problem, cost_names=("latency",))
    assert measured.measured == ("latency",)
    assert measured.reference_point(0.9, dearest={"latency": 2.0}) == (0.9, pytest.approx(2.2))


def test_expected_seconds_follow_the_multiply_adds(problem):
    timed = dataclasses.replace(problem, seconds_at=(1.0, 2e-6))
    genomes = problem.population[:5]
    np.testing.assert_allclose(timed.seconds(genomes), 1 + 2e-6 * np.asarray(problem.multiply_adds(genomes)), rtol=1e-5)


def compiled(caplog, function, *arguments):
    """The result of a call, and whether a program was compiled for it."""
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        result = function(*arguments)
    return result, any("Finished XLA compilation" in record.getMessage() for record in caplog.records)


def test_other_numbers_of_proposals_compile_nothing(problem, caplog):
    assert compiled(caplog, jax.jit(lambda x: x + 41), 1)[1]
    for ask in (problem.costs, problem.seconds, problem.sizes, problem.computes):
        whole = ask(problem.population[:50])
        part, anew = compiled(caplog, ask, problem.population[:3])
        assert not anew
        np.testing.assert_allclose(part, whole[:3], rtol=1e-6)


def test_what_it_computes_tells_architectures_apart(problem):
    genomes = problem.population[:200]
    seen = problem.computes(genomes)
    assert seen.dtype == np.float32
    assert problem.computes(genomes[:0]).shape == (0, seen.shape[1])
    np.testing.assert_array_equal(problem.computes(genomes), seen)
    costs = np.asarray(problem.parameters(genomes))
    for i in range(1, 200):
        if np.array_equal(seen[i], seen[0]):
            assert costs[i] == costs[0]


@pytest.mark.parametrize("name", NAMES)
def test_images_that_the_networks_do_not_take_are_refused_in_one_line(name):
    def start():
        odd = make(name, image_size=7)
        odd.network(on_cpu=True).init(jax.random.key(0), jnp.zeros((1, 7, 7, 1)), jnp.asarray(odd.lightest))

    with pytest.raises(InputError) as said:
        start()
    assert "\n" not in str(said.value)


@pytest.mark.slow
def test_the_weights_of_one_network_taken_out_give_the_same_answers(problem):
    images = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    genome = tuple(problem.population[1].tolist())
    network = problem.network(on_cpu=True)
    variables = jax.jit(network.init)(jax.random.key(0), images, jnp.asarray(genome))
    whole = jax.jit(network.apply)(variables, images, jnp.asarray(genome))
    alone = jax.jit(problem.fixed(genome).apply)(problem.extract(variables, genome), images)
    np.testing.assert_allclose(whole, alone, rtol=2e-3, atol=2e-4)


@pytest.mark.slow
def test_memory_is_of_the_size_of_what_xla_takes(problem):
    """XLA's own number holds the scratch of its convolutions, and lacks what it fuses."""
    sized = make(problem.name, image_size=32, image_channels=3)
    images = jnp.zeros((1, 32, 32, 3))
    for genome in (sized.lightest, sized.dearest[0]):
        network = sized.fixed(genome)
        variables = jax.eval_shape(network.init, jax.random.key(0), images)
        analysis = jax.jit(network.apply).lower(variables, images).compile().memory_analysis()
        taken = analysis.argument_size_in_bytes + analysis.temp_size_in_bytes + analysis.output_size_in_bytes
        counted = dataclasses.replace(sized, cost_names=("memory",)).costs(np.array([genome]))[0, 0]
        assert taken / 3 < counted < 3 * taken


def test_a_problem_that_does_not_count_its_maps_is_told_so(problem):
    with pytest.raises(InputError, match=f"--cost memory: the problem '{problem.name}' does not count"):
        NetworkProblem.most_activations(problem, np.array([problem.lightest]))
