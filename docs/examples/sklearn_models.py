"""Carbon-aware search of scikit-learn's neural networks: a function of one's own that pauses and goes on.

    python docs/examples/sklearn_models.py            # about a minute
    python docs/examples/sklearn_models.py --hours 6  # less

docs/own_function.md explains it line by line.
"""

import argparse
import itertools
import pickle
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from jcenas import Problem, search

SPACE = {
    "layers": [1, 2, 3],
    "width": [8, 16, 32, 64, 128],
    "activation": ["relu", "tanh"],
    "learning_rate": [0.001, 0.003, 0.01, 0.03],
}
PIXELS, CLASSES = 64, 10


def parameters(genome):
    """Weights and biases: the cost, counted without training."""
    sizes = [PIXELS, *[genome["width"]] * genome["layers"], CLASSES]
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def evaluate(genome, seed, budget, folder):
    """Train on digits; the share of wrong answers on the validation part."""
    images, labels = load_digits(return_X_y=True)
    x, x_validation, y, y_validation = train_test_split(
        images / 16.0, labels, test_size=0.25, random_state=0, stratify=labels
    )
    model, done = _recall(folder)
    if model is None:
        model = MLPClassifier(
            (genome["width"],) * genome["layers"],
            activation=genome["activation"],
            learning_rate_init=genome["learning_rate"],
            random_state=seed,
        )
    while done < budget.epochs:
        if budget.over():  # the hour ends, or the search stops
            _remember(folder, model, done)
            budget.pause(done / budget.epochs)  # ends this call; the next one goes on from the folder
        model.partial_fit(x, y, classes=range(CLASSES))
        done += 1
    return 1.0 - model.score(x_validation, y_validation)


def _remember(folder, model, done):
    """Write a checkpoint under another name first, so that a kill leaves the old one or the new one."""
    fresh = Path(folder, "checkpoint.part")
    fresh.write_bytes(pickle.dumps((model, done)))
    fresh.rename(Path(folder, "checkpoint.pickle"))


def _recall(folder):
    """The model and the epochs done; (None, 0) at the first call."""
    file = Path(folder, "checkpoint.pickle")
    return pickle.loads(file.read_bytes()) if file.exists() else (None, 0)


def main(arguments=None):
    """Search, and print the front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=24, help="trace hours, of two seconds each")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", default="runs")
    given = parser.parse_args(arguments)
    problem = Problem.from_function(SPACE, evaluate, costs={"parameters": parameters}, time_limit_s=60, retries=1)
    result = search(
        problem=problem,
        optimizer="lamoo",
        stage="predictor",
        policy="heuristic",
        zone="DE",
        hours=given.hours,
        hour_seconds=2.0,
        epochs=given.epochs,
        devices=given.workers,
        runs=given.runs,
    )
    print(result.pareto[["cell", "accuracy", "parameters", "seconds", "emissions_g"]].to_string(index=False))
    print(f"{result.summary['evaluations']} evaluations, {result.summary['emissions_g']:.3g} gCO2eq; {result.folder}")
    return result


if __name__ == "__main__":  # worker processes import this file: without this line they would search as well
    main()
