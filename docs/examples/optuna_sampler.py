"""A study of Optuna by an optimiser of jcenas: trees on digits, accuracy against the size of the model.

    pip install 'jcenas[optuna]'
    python docs/examples/optuna_sampler.py
    python docs/examples/optuna_sampler.py --trials 15 --optimizer semoa  # less to compile

docs/optimisers.md explains it.
"""

import argparse

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from jcenas.integrations.optuna import MooSampler


def objective(trial):
    """Share of right answers on the validation part, and the number of nodes."""
    images, labels = load_digits(return_X_y=True)
    x, x_validation, y, y_validation = train_test_split(images, labels, random_state=0, stratify=labels)
    model = DecisionTreeClassifier(
        criterion=trial.suggest_categorical("criterion", ["gini", "entropy"]),
        max_depth=trial.suggest_int("max_depth", 2, 20),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 100, log=True),
        ccp_alpha=trial.suggest_float("ccp_alpha", 1e-5, 1e-1, log=True),
        random_state=0,
    ).fit(x, y)
    return float(model.score(x_validation, y_validation)), model.tree_.node_count


def main(arguments=None):
    """Run the study and print its front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--optimizer", default="lamoo-ehvi", help="a name of `jcenas list optimizer`")
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = MooSampler(options.optimizer, seed=0)
    study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=options.trials)
    for trial in sorted(study.best_trials, key=lambda trial: trial.values[1]):
        print(f"{trial.values[0]:.3f} with {trial.values[1]:.0f} nodes: {trial.params}")
    return study


if __name__ == "__main__":
    main()
