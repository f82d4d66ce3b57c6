"""Functions that tests send to worker processes, which import this file by its name. No JAX here."""

import os
import signal
import sys
import time

SPACE = {"x": [0, 1, 2, 3], "y": [0, 1, 2, 3]}


def cost(genome):
    return 1.0 + genome["y"]


def error(genome):
    """Least at x = 3 and y = 3, and worse the cheaper it is."""
    return 0.1 + 0.1 * (3 - genome["x"]) + 0.05 * (3 - genome["y"])


def evaluate(genome, seed, budget, folder):
    return error(genome)


def evaluate_with_cost(genome, seed, budget, folder):
    return error(genome), cost(genome)


def in_steps(genome, seed, budget, folder):
    """Ten steps of a twentieth of a second, that are noted in the folder."""
    notes = folder / "steps.txt"
    done = len(notes.read_text()) if notes.exists() else 0
    while done < 10:
        if budget.over():
            budget.pause(done / 10)
        time.sleep(0.05)
        done += 1
        notes.write_text("x" * done)
    return error(genome)


def long(genome, seed, budget, folder):
    """One that never asks whether it should pause."""
    (folder / "pid.txt").write_text(str(os.getpid()))
    time.sleep(60)


def odd(genome, seed, budget, folder):
    """What happens is what x says."""
    if genome["x"] == 0:
        raise ValueError("no such\nlayer")
    if genome["x"] == 1:
        return float("nan")
    if genome["x"] == 2:
        os._exit(3)
    return error(genome)


def killed(genome, seed, budget, folder):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(genome, seed, budget, folder):
    sys.exit("enough")


def percent(genome, seed, budget, folder):
    return 100 * error(genome)


def negative(genome, seed, budget, folder):
    return -error(genome)


def nothing(genome, seed, budget, folder):
    return None


def second_time(genome, seed, budget, folder):
    """Raises at its first call."""
    if (folder / "tried").exists():
        return error(genome)
    (folder / "tried").touch()
    raise OSError("disk")


def modules(genome, seed, budget, folder):
    """Whether JAX was imported, as the error."""
    return float("jax" in sys.modules or "jaxlib" in sys.modules)
