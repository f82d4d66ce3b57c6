"""The EC-NAS spaces as plain tables: trainings of 108 epochs, for the simulator and for `jcenas.moo`.

Error is NAS-Bench-101's; energy and time of a training were measured at 4 epochs, or predicted by the published
surrogate in 7V, and are extrapolated in proportion. Cells of which one of these is not known are left out. For
other budgets and all other columns see `jcenas.tables.ecnas.dataset`.
"""

import functools

import jax.numpy as jnp
import numpy as np
import pandas as pd

from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas.dataset import SPACES
from jcenas.tables.ecnas.imported import load_imported, path_of
from jcenas.tables.table import Table

_NAMES = {"energy_kwh": "energy_kwh", "co2_g": "co2_g", "train_time_s": "train_seconds"}


@functools.cache
def ecnas_table(space: str) -> Table:
    """All cells of '4V' (91), '5V' (1,525 of 2,532) or '7V' (1,013 of the published runs) that are known.

    Made of an imported record file of the space where there is one (`jcenas.tables.ecnas.imported`), else of the
    prepared files.

    Columns: `error` (test, mean of three trainings, %), `validation_error`, `short_error` (validation after 4 epochs;
    incomplete in 5V and 7V), `energy_kwh`, `co2_g` (not in 7V), `train_seconds` and `params`. A genome is
    NAS-Bench-101's (`jcenas.spaces.nasbench101.decode`).

    Raises:
      InputError: unknown space, or a data file is missing or damaged.
    """
    imported = space in SPACES and path_of(space).exists()
    source = load_imported(space) if imported else ecnas_read.load(space, linear_scaling=True)
    last = {name: np.asarray(values[:, -1], np.float64) for name, values in source.columns.items()}
    columns = {
        "error": 100 - last["test_accuracy"],
        "validation_error": 100 - last["validation_accuracy"],
        "short_error": 100 - np.asarray(source.columns["validation_accuracy"][:, 0], np.float64),
        "params": np.asarray(source.parameters, np.float64),
    }
    columns |= {ours: last[theirs] for theirs, ours in _NAMES.items() if theirs in last}
    needed = ("error", "energy_kwh", "train_seconds")
    known = np.all([np.isfinite(columns[name]) for name in needed], axis=0)
    genomes = np.asarray(source.catalog.genomes(jnp.asarray(np.flatnonzero(known), jnp.int32)))
    variables = [f"variable_{i}" for i in range(genomes.shape[1])]
    frame = pd.DataFrame({name: values[known] for name, values in columns.items()})
    frame = pd.concat([pd.DataFrame(genomes, columns=variables), frame], axis=1)
    accuracy, extrapolated = "measured: NAS-Bench-101", f"{source.campaign}; {source.notes[-1]}"
    notes = dict.fromkeys(("error", "validation_error", "short_error"), accuracy) | {"params": "computed"}
    notes |= {name: extrapolated for name in _NAMES.values() if name in columns}
    return Table.from_frame(frame, genome=variables, name=f"ecnas-{space.lower()}", notes=notes)
