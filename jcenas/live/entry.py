"""The public `search`. Importing it imports no JAX: worker processes import the user's program, which imports this."""

import multiprocessing
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from jcenas.carbon.power import PowerModel
from jcenas.errors import InputError
from jcenas.live.config import FUNCTION, SearchConfig
from jcenas.problems.function import FunctionProblem

if TYPE_CHECKING:
    from jcenas.live.finish import SearchResult
    from jcenas.live.progress import Observer
    from jcenas.train.images import ImageSet


class FunctionSettings(TypedDict, total=False):
    """What may be set where a function is searched; see `jcenas.SearchConfig`, whose defaults hold."""

    name: str
    runs: Path | str
    optimizer: str
    stage: str
    policy: str
    zone: str
    trace: Path | str | None
    provider: str
    column: str
    start: str
    forecast: Literal["model", "persistence", "none"]
    hours: int
    hour_seconds: float
    carbon_budget: float | None
    evaluations: int | None
    devices: int | None
    epochs: int
    proposals: int
    reference_error: float | None
    power: PowerModel
    meter: str
    seed: int


def search(
    config: SearchConfig | None = None,
    *,
    problem: FunctionProblem | None = None,
    resume: Path | str | None = None,
    changes: Mapping[str, Any] | None = None,
    images: "ImageSet | None" = None,
    observer: "Observer | None" = None,
    stop: threading.Event | None = None,
    **settings: Unpack[FunctionSettings],
) -> "SearchResult":
    """Run a search, or go on with one.

        search(SearchConfig(problem="darts", hours=24))                       # networks that jcenas trains
        search(problem=problem, policy="plan", devices=2, trace="grid.csv")   # a function of your own
        search(problem=problem, resume="runs/mine")                           # go on with it

    Args:
        config: of a new run whose networks jcenas trains.
        problem: of `jcenas.Problem.from_function`: what to search instead; again where such a run goes on.
        resume: run folder to go on with, instead of a config or settings.
        changes: new values of `hours`, `carbon_budget`, `evaluations`, `devices`, `side_by_side` or `address`, where a
            run goes on.
        images: to learn, for example of `jcenas.train.image_set`, instead of those that the config names; again where a
            run with such images goes on.
        observer: who is told of the progress; nobody if None.
        stop: set it from elsewhere to stop cleanly after the chunk of steps in flight.
        **settings: of a new run with a problem: fields of `SearchConfig`. `devices` is the number of worker processes,
            1 if not given; `epochs` is told to the function.

    Returns:
        The result; `status` is "interrupted" where `stop` was set before the budget was spent.

    Raises:
        InputError: anything that the user can mend. Before the first hour nothing has been written; later, the run
            folder can be resumed.
        ValueError: neither or both of a new run and one to resume, or changes of a new one.
    """
    _refuse_while_imported()
    if unknown := set(settings) - FunctionSettings.__optional_keys__:
        raise TypeError(f"search() got an unexpected keyword argument {min(unknown)!r}")
    if problem is not None and not isinstance(problem, FunctionProblem):
        raise InputError(
            f"problem is a {type(problem).__name__}: make one with Problem.from_function, or name one of networks with "
            "SearchConfig(problem=...)"
        )
    if settings and (problem is None or config is not None or resume is not None):
        raise ValueError(f"{min(settings)} is a setting of a new run with a problem; else set it in SearchConfig")
    if problem is not None and resume is None:
        if config is not None:
            raise ValueError("give either a config or a problem with its settings")
        config = _config(problem, settings)
    from jcenas.live.start import run

    return run(config, problem=problem, resume=resume, changes=changes, images=images, observer=observer, stop=stop)


def _config(problem: FunctionProblem, settings: FunctionSettings) -> SearchConfig:
    """The settings as a configuration."""
    values = dict(settings)
    if values.get("trace") is not None:
        values["trace"] = Path(str(values["trace"]))
    if "runs" in values:
        values["runs"] = Path(str(values["runs"]))
    return SearchConfig(**{"problem": FUNCTION, "cost": problem.cost_names, **values})


def _refuse_while_imported() -> None:
    """Stop a program that searches as soon as it is imported: a worker process of its own search imports it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(
            'a worker process imports this program: put the call of search under `if __name__ == "__main__":`'
        )
