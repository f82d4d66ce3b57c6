"""Hypervolume and dominance on device against moocore, pymoo, pygmo, botorch and NumPy.

Command:  python -m experiments.moo.hypervolume_speed [--smoke]
Expected: every median below its goal; values within 1e-5 of every peer
Cost:     about three minutes on two cores, after the peers (1 GB) are installed apart

Values are compared before anything is timed. The peers compute in double precision, one front a call; a batch of fronts
is a Python loop over it. Conversion to double is not timed. A peer that would need more than ten seconds for a cell, as
told by a few of its fronts, is not measured there.
"""

import argparse
import time

import jax
import numpy as np

from experiments.lib.recording import record, time_compiled
from experiments.moo.peers import has, hypervolume_of
from jcenas.moo import dominance_number, hypervolume, non_dominated

COMMAND = "python -m experiments.moo.hypervolume_speed"
COLUMNS = (
    "task",
    "m",
    "fronts",
    "points",
    "median ms",
    "q1 ms",
    "q3 ms",
    "compile s",
    "peer",
    "peer median ms",
    "peer / jcenas",
    "largest relative difference",
    "goal ms",
    "pymoo ms",
    "pygmo ms",
    "botorch ms",
)
OTHERS = ("pymoo", "pygmo", "botorch")
LIMIT_S = 10.0
SAMPLE = 5  # fronts that tell how long all of them take


def front(random: np.random.Generator, fronts: int, n: int, m: int) -> np.ndarray:
    """Mutually non-dominated points on a sphere, float32 (fronts, n, m), reference 1."""
    direction = np.abs(random.normal(size=(fronts, n, m)))
    return (1 - direction / np.linalg.norm(direction, axis=-1, keepdims=True)).astype(np.float32)


def time_host(function, repeats: int) -> float:
    """Median seconds of a host function after one call."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def peer_ms(measure, points: np.ndarray, reference: np.ndarray, values: np.ndarray, repeats: int) -> float | None:
    """Milliseconds of a peer for all of points (fronts, n, m), after its values were compared; None if not measured."""
    fronts, n, _ = points.shape
    if measure is None or n > 10_000:  # the Python peers need minutes there
        return None

    def loop(some):
        return np.array([measure(front, reference) for front in some])

    np.testing.assert_allclose(loop(points[:SAMPLE]), values[:SAMPLE], rtol=1e-9)
    start = time.perf_counter()
    loop(points[:SAMPLE])
    seconds = (time.perf_counter() - start) * fronts / min(SAMPLE, fronts)
    if seconds > LIMIT_S:
        return None
    return 1e3 * time_host(lambda: loop(points), 1 if seconds > 1 else repeats)


def row(case, ours, peer, peer_s, difference, goal, others=(None, None, None)):
    """One row; `case` is the task, the objectives, the fronts and the points of each; the peer may be missing."""
    milliseconds = [1e3 * ours[k] for k in ("median_s", "q1_s", "q3_s")]
    compile_s = ours["trace_s"] + ours["compile_s"]
    theirs = [None, None] if peer_s is None else [1e3 * peer_s, peer_s / ours["median_s"]]
    return [*case, *milliseconds, compile_s, peer, *theirs, difference, goal, *others]


def hypervolume_row(peers, random, m, fronts, n, goal, repeats):
    """Hypervolumes of `fronts` fronts at once; without moocore among the peers nothing is compared."""
    points = front(random, fronts, n, m)
    reference, doubles = np.ones(m, np.float32), points.astype(float)
    function = jax.vmap(hypervolume, (0, None))
    difference = peer_s = None
    others = [None] * len(OTHERS)
    if peers["moocore"] is not None:

        def loop():
            return np.array([peers["moocore"](f, np.ones(m)) for f in doubles])

        values = loop()
        difference = float(np.max(np.abs(np.asarray(jax.jit(function)(points, reference)) / values - 1)))
        assert difference < 1e-5, f"hypervolume differs from moocore by {difference} at m={m}, n={n}"
        others = [peer_ms(peers[name], doubles, np.ones(m), values, repeats) for name in OTHERS]
        peer_s = time_host(loop, repeats)
    arguments = jax.device_put((points, reference))
    ours = time_compiled(lambda *a: function(*a), *arguments, repeats=repeats)  # a new function: compiles anew
    return row(("hypervolume", m, fronts, n), ours, "moocore", peer_s, difference, goal, others)


def numpy_dominance_number(points: np.ndarray) -> np.ndarray:
    """One row at a time, the usual way to write it in NumPy."""
    return np.array([np.sum((points <= p).all(1) & (points < p).any(1)) for p in points])


def dominance_row(random, task, n, goal, repeats):
    """Dominance among `n` points, compared with NumPy, and for the mask with moocore where it is."""
    points = random.random((n, 2)).astype(np.float32)
    function = {"dominance number": dominance_number, "non-dominated mask": non_dominated}[task]
    name, peer = "numpy rows", lambda: numpy_dominance_number(points)
    if task == "non-dominated mask" and has("moocore"):
        import moocore

        doubles = points.astype(float)
        name, peer = "moocore", lambda: moocore.is_nondominated(doubles, keep_weakly=True)
    elif task == "non-dominated mask":

        def peer():
            return numpy_dominance_number(points) == 0

    np.testing.assert_array_equal(jax.jit(function)(points), peer())
    ours = time_compiled(lambda p: function(p), jax.device_put(points), repeats=repeats)
    return row((task, 2, 1, n), ours, name, time_host(peer, min(repeats, 3)), 0.0, goal)


def run(smoke: bool):
    peers = {name: None if smoke else hypervolume_of(name) for name in OTHERS} | {"moocore": hypervolume_of("moocore")}
    random = np.random.default_rng(0)
    many, repeats = (10, 2) if smoke else (1000, 20)
    cases = [(2, many, 50, 1.2), (3, many, 50, 10.0), (4, many, 50, 60.0)]
    large = (
        [(2, 1, 1000, 0.3)]
        if smoke
        else [(2, 1, 10**6, 270.0), (3, 1, 1000, 1.0), (4, 1, 200, 10.0), (5, 1, 100, 50.0)]
    )
    rows = [hypervolume_row(peers, random, *case, repeats) for case in cases + large]
    sizes = (200, 200, 600) if smoke else (1000, 10_000, 10_000)
    for task, n, goal in zip(
        ("dominance number", "dominance number", "non-dominated mask"), sizes, (0.5, 180.0, 3.5), strict=True
    ):
        rows.append(dominance_row(random, task, n, goal, repeats))
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, nothing recorded")
    smoke = parser.parse_args(arguments).smoke
    rows = run(smoke)
    for cells in rows:
        print(*(f"{c:.4g}" if isinstance(c, float) else c for c in cells), sep="\t")
    if not smoke:
        record(
            "hypervolume",
            title="Hypervolume and dominance on device",
            command=COMMAND,
            columns=COLUMNS,
            rows=rows,
            notes=[
                "float32 against double precision peers; a batch is a Python loop over a peer, fronts not converted.",
                f"A peer that needs more than {LIMIT_S:.0f} s for a cell is not measured there.",
                "Goals are those of the project's plan, in milliseconds.",
            ],
            expected="every median below its goal; values within 1e-5 of moocore",
        )
    return rows


if __name__ == "__main__":
    main()
