"""A run that searches a user's own function: what it prepares, records, and asks for when it goes on."""

import dataclasses
import platform
from pathlib import Path

from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.problems.function import FunctionProblem, with_reference

STAGES = ("predictor", "none")
WORKERS = 1  # where nobody says how many: an evaluation may use several threads, or an accelerator of its own
LARGEST_ERROR = 1.0  # a fraction


def check(config: SearchConfig, problem: FunctionProblem | None, *, resume: Path | None = None) -> None:
    """Refuse what cannot work.

    Args:
        config: of the run.
        problem: what a program handed over, or None.
        resume: folder of the run, where it goes on.

    Raises:
        InputError: a problem without need or none where one is needed, or a stage that wants networks.
    """
    if not config.of_function:
        if problem is not None:
            raise InputError(f"the run trains networks (problem {config.problem}); go on with it without a problem")
        return
    if problem is None:
        again = "problem=Problem.from_function(...)" + (f", resume={str(resume)!r}" if resume else "")
        what = f"{resume} searches" if resume else "--problem function searches"
        raise InputError(f"{what} a function of a Python program: run it from there with jcenas.search({again})")
    if config.side_by_side not in ("auto", 1):
        raise InputError(
            f"--side-by-side {config.side_by_side}: a worker process evaluates one at a time; give more --devices"
        )
    stage = stage_from_name(config.stage)
    if stage.name not in STAGES:
        raise InputError(f"stage {config.stage} needs networks, and a function has none; use {' or '.join(STAGES)}")
    if stage.refits and problem.measured:
        raise InputError(
            f"stage {config.stage} needs costs that are known beforehand, and {', '.join(problem.returned)} is "
            "returned by evaluate; give a function of a genome in costs, or stage='none'"
        )


def prepared_problem(
    config: SearchConfig, problem: FunctionProblem, reference: list[float] | None = None
) -> FunctionProblem:
    """The problem with the reference point of the run: as recorded, or chosen now."""
    if reference is not None:
        return dataclasses.replace(problem, reference=tuple(map(float, reference)))
    return with_reference(problem, config.reference_error or LARGEST_ERROR)


def device_names(config: SearchConfig) -> list[str]:
    """One a worker."""
    return [f"worker process ({platform.machine()})"] * (config.devices or WORKERS)


def check_same(known: dict | None, problem: FunctionProblem, path: Path) -> None:
    """Refuse to go on with another space or other costs.

    Raises:
        InputError: names what differs.
    """
    found = problem.record()
    for name in ("variables", "values", "cardinalities", "costs", "returned"):
        if known is None or known.get(name) != found[name]:
            was = None if known is None else known.get(name)
            raise InputError(
                f"{path} was begun with another problem ({name} {was}, now {found[name]}); go on with the same one, or "
                "start a new run under another name"
            )
