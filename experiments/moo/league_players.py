"""The optimisers of the league, ours and those of other packages, each as an object with `ask` and `tell`.

    player = PLAYERS["optuna-tpe"].make(problem, batch=20, evaluations=300, seed=0)
    genomes = player.ask();  player.tell(objectives)

Other packages are told of a variable that is a name rather than a number as such (`Problem.ordinal`), and how large a
batch is; all else is their default, or what their documentation advises for several objectives.
"""

import ast
import functools
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from experiments.lib import code_used
from experiments.moo import league_peers as peers
from experiments.moo.league_problems import Problem
from jcenas import registry


class Player(Protocol):
    """An optimiser at work on one problem."""

    def ask(self) -> np.ndarray:
        """Genomes, int (n, d); n is the batch, or what the package hands out at once."""
        ...

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives, float64 (n, m), of the genomes last asked for."""
        ...


class Contestant(NamedTuple):
    """How a player is made, and what must be installed for it."""

    make: Callable[..., Player]  # (problem, *, batch, evaluations, seed)
    package: str = "jcenas"  # that is imported
    installed: tuple[str, ...] = ()  # what `--install` installs
    module: str = ""  # of ours, that has the factory

    def version(self) -> str:
        """Of the package; of ours a digest of the code, so that lines of other code are not taken for this one's."""
        if self.package == "jcenas":
            return "jcenas " + code_used.digest(_imported(self.module))
        return f"{self.package} {importlib.metadata.version(self.package)}"


@functools.cache
def _imported(module: str) -> frozenset[str]:
    """A module of `jcenas.moo` and all of them that it imports, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        now = waiting.pop()
        if now in found:
            continue
        found.add(now)
        for node in ast.walk(ast.parse(code_used.ROOT.joinpath(*now.split(".")).with_suffix(".py").read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("jcenas.moo"):
                inside = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
                waiting += [
                    name for name in inside if code_used.ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()
                ]
    return frozenset(found)


@functools.cache
def _compiled(problem: Problem, name: str, batch: int, evaluations: int) -> tuple[Callable[..., Any], ...]:
    """The three functions of an optimiser of the registry, compiled once for all seeds."""
    reference = problem.reference.astype(np.float32)
    room = evaluations + batch  # a batch may begin one evaluation before the end
    optimizer = registry.load("optimizer", name)(problem.space, capacity=room, batch=batch, reference=reference)
    return tuple(map(jax.jit, optimizer))


class Ours:
    """An optimiser of the registry."""

    def __init__(self, name: str, problem: Problem, *, batch: int, evaluations: int, seed: int):
        self._init, self._ask, self._tell = _compiled(problem, name, batch, evaluations)
        first, self._key = jax.random.split(jax.random.key(seed))
        self._state, self._asked = self._init(first), None

    def ask(self) -> np.ndarray:
        """Genomes, int (batch, d)."""
        self._key, now = jax.random.split(self._key)
        self._state, self._asked = self._ask(now, self._state)
        return np.asarray(self._asked)

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives of what was asked for."""
        self._state = self._tell(self._state, self._asked, objectives.astype(np.float32))


def _others() -> Mapping[str, Contestant]:
    optuna = ("optuna", "alembic", "sqlalchemy", "colorlog", "tqdm", "PyYAML", "Mako", "greenlet", "packaging")
    pymoo = ("pymoo", "autograd", "moocore", "cma", "alive-progress", "about-time", "grapheme", "dill", "Deprecated")
    one = functools.partial
    return {
        "optuna-tpe": Contestant(one(peers.Optuna, "tpe"), "optuna", optuna),
        "optuna-nsga2": Contestant(one(peers.Optuna, "nsga2"), "optuna", optuna),
        "optuna-gp": Contestant(one(peers.Optuna, "gp"), "optuna", (*optuna, *peers.TORCH)),
        "pymoo-nsga2": Contestant(one(peers.Pymoo, "nsga2"), "pymoo", pymoo),
        "pymoo-sms": Contestant(one(peers.Pymoo, "sms"), "pymoo", pymoo),
        "botorch": Contestant(peers.Botorch, "botorch", peers.TORCH),
        "smac": Contestant(peers.Smac, "smac", ("smac", "ConfigSpace", "pynisher", "dask", "distributed", "pyrfr")),
    }


PLAYERS: Mapping[str, Contestant] = {
    name: Contestant(functools.partial(Ours, name), module=registry.check("optimizer", name).entry.target.split(":")[0])
    for name in registry.built_in("optimizer")
} | dict(_others())
