"""Speed of EC-NAS: ten searches as one program, a million queries, the energies and the enumeration of all cells.

    OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.speed [--smoke]

Expected: ten SEMOA runs of 1,000 evaluations in at most 10 s after compilation; at least a million queries a second;
91, 2,532 and 423,624 cells. Cost: about two minutes on two cores. Data: JCENAS_DATA.
"""

import argparse
import time

import jax
import jax.numpy as jnp

from experiments.lib.recording import NOT_APPLICABLE, record
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas import surrogate as ecnas_surrogate
from jcenas.tables.ecnas.dataset import SPACES, batched
from jcenas.tables.ecnas.search import make_search
from jcenas.tables.ecnas.space import search_space

COMMAND = "OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.speed"
COLUMNS = ("what", "result", "first call, s", "median s", "a second")
SIZES = {"4V": 91, "5V": 2532, "7V": 423624}


def timed(function, *arguments, repeats: int = 5) -> tuple[float, float]:
    """Seconds of the first call, with compilation, and the median of further ones."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        seconds.append(time.perf_counter() - start)
    return seconds[0], sorted(seconds[1:])[repeats // 2]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="4V only, small sizes, nothing recorded")
    options = parser.parse_args(arguments)
    names = ["4V"] if options.smoke else list(SPACES)
    queries, evaluations, seeds = (1000, 40, 2) if options.smoke else (1_000_000, 1000, 10)
    rows = []
    for name in names:
        catalog.cache_clear()
        start = time.perf_counter()
        book = catalog(SPACES[name])
        if book.size != SIZES[name]:
            raise RuntimeError(f"{name} has {book.size} cells, not {SIZES[name]}")
        took = time.perf_counter() - start
        rows.append([f"{name}: enumeration of all cells", f"{book.size:,} cells", took, *[NOT_APPLICABLE] * 2])
        table = ecnas_read.load(name, linear_scaling=True)
        index = jax.random.randint(jax.random.key(0), (queries,), 0, table.size)
        budget = jax.random.randint(jax.random.key(1), (queries,), 0, 4)
        genomes = table.catalog.genomes(index)
        by_number = batched(table, "energy_kwh", index, budget).values
        look = jax.jit(lambda t, g, b: t.lookup("energy_kwh", g, b))
        same = jnp.array_equal(look(table, genomes, budget).values, by_number, equal_nan=True)
        if not same:
            raise RuntimeError(f"{name}: queries by graph and by number disagree")
        first, median = timed(batched, table, "energy_kwh", index, budget)
        rows.append([f"{name}: queries by number", f"{queries:,}", NOT_APPLICABLE, median, queries / median])
        first, median = timed(look, table, genomes, budget)
        rows.append([f"{name}: queries by graph", f"{queries:,}", NOT_APPLICABLE, median, queries / median])
        run = make_search(table, search_space(table, known_only=name == "7V"), "semoa", evaluations=evaluations)
        first, median = timed(run, jax.random.split(jax.random.key(0), seeds), repeats=1 if options.smoke else 3)
        label = f"{seeds} runs of {evaluations:,}"
        rows.append([f"{name}: SEMOA", label, first, median, seeds * evaluations / median])
    if not options.smoke:
        model, book = ecnas_surrogate.load(), catalog(7)
        cells = book.genomes(jnp.arange(book.size))
        first, median = timed(model.predict, cells, repeats=3)
        rows.append(["energies of all cells", f"{book.size:,} cells", first, median, book.size / median])
    for row in rows:
        print(row, flush=True)
    if not options.smoke:
        record(
            "ecnas_speed",
            title="EC-NAS: speed",
            command=COMMAND,
            columns=COLUMNS,
            rows=rows,
            expected="ten SEMOA runs of 1,000 evaluations in at most 10 s; at least a million queries a second",
            notes=["Medians of repeated calls; the first call of a search holds its compilation."],
        )
    return rows


if __name__ == "__main__":
    main()
