"""Costs of a network that a formula gives: what `jcenas list cost` names, for every network problem alike.

A cost is a function `(problem, genomes (n, d)) -> (n,)`; see `jcenas.problems.network.NetworkProblem`.
"""

from typing import TYPE_CHECKING

import numpy as np

from jcenas import units

if TYPE_CHECKING:
    from jcenas.problems.network import NetworkProblem


def parameters(problem: "NetworkProblem", genomes: np.ndarray) -> np.ndarray:
    """Trainable parameters, float32 (n,)."""
    return np.asarray(problem.parameters(genomes), np.float32)


def multiply_adds(problem: "NetworkProblem", genomes: np.ndarray) -> np.ndarray:
    """Multiply-adds of one image, float32 (n,)."""
    return np.asarray(problem.multiply_adds(genomes), np.float32)


def inference_energy_j(problem: "NetworkProblem", genomes: np.ndarray) -> np.ndarray:
    """Modelled energy of one inference at batch 1, J, float32 (n,), see `jcenas.units.inference_energy_j`."""
    moved = np.asarray(problem.bytes_moved(genomes), np.float32)
    return units.inference_energy_j(multiply_adds(problem, genomes), moved)


def inference_memory_bytes(problem: "NetworkProblem", genomes: np.ndarray) -> np.ndarray:
    """Bytes that one inference at batch 1 needs in float32, float32 (n,): weights, and the most of maps at once.

    The weights are the trainable parameters: of a batch norm its scale and bias, into which its statistics are folded.
    What of the maps lives at once is counted by the rules of `jcenas.nets.maps`.
    """
    numbers = np.asarray(problem.parameters(genomes), float) + problem.most_activations(genomes)
    return (units.BYTES_PER_FLOAT32 * numbers).astype(np.float32)
