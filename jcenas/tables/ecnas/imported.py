"""EC-NAS's released record files as tables of the data folder: `jcenas data import ecnas-4v FILE.tfrecord`.

The file is read once and kept as arrays; the table of that name is then made of it instead of the prepared files.
"""

import os
import pathlib
import zipfile
from typing import Any

import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables import store
from jcenas.tables.ecnas import tfrecord
from jcenas.tables.ecnas.dataset import BUDGETS, DIRECT, SAMPLED, SPACES, EcNas

NAMES = {f"ecnas-{space.lower()}": space for space in SPACES}
NEEDED = ("test_accuracy", "validation_accuracy", "energy_kwh", "train_time_s")
_COLUMN = "column/"


def path_of(space: str) -> pathlib.Path:
    """Where the imported file of a space lies, if there is one."""
    return store.data_folder() / "ec_nas" / f"imported_{space.lower()}.npz"


def import_records(name: str, source: str | os.PathLike) -> pathlib.Path:
    """Convert a released record file into the data folder, atomically.

    Args:
      name: ecnas-4v, ecnas-5v or ecnas-7v.
      source: such as `energy_4V9E_linscale.tfrecord`; its checksums are checked.

    Returns:
      The path of the file that was written.

    Raises:
      InputError: another name; the source is damaged, of another format, or does not say accuracies, energy and time of
        108 epochs for any cell; the data folder cannot be written.
    """
    if name not in NAMES:
        raise InputError(f"a record file is imported as one of {', '.join(NAMES)}, not as {name!r}")
    space = NAMES[name]
    table = tfrecord.read(pathlib.Path(source).expanduser(), vertices=SPACES[space], verify=True)
    last = [np.isfinite(np.asarray(table.columns[metric][:, -1])) for metric in NEEDED if metric in table.columns]
    if len(last) < len(NEEDED) or not np.all(last, axis=0).any():
        raise InputError(
            f"{source} has no cell with accuracies, energy and time of {BUDGETS[-1]} epochs; "
            "take the file with linear scaling (linscale)"
        )
    with store.replacing(path_of(space)) as part, part.open("wb") as file:
        arrays: dict[str, Any] = {_COLUMN + metric: np.asarray(values) for metric, values in table.columns.items()}
        arrays |= {"parameters": np.asarray(table.parameters), "notes": np.array(table.notes)}
        np.savez_compressed(file, **arrays)
    return path_of(space)


def load_imported(space: str) -> EcNas:
    """The imported table of a space.

    Raises:
      InputError: the file is missing or damaged; names the command that mends it.
    """
    path = path_of(space)
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            stored = dict(file)
        return EcNas(
            columns={key.removeprefix(_COLUMN): jnp.asarray(stored[key]) for key in stored if key.startswith(_COLUMN)},
            parameters=jnp.asarray(stored["parameters"]),
            catalog=catalog(SPACES[space]),
            name=space,
            campaign=SAMPLED if space == "7V" else DIRECT,
            budgets=BUDGETS,
            linear_scaling=True,
            notes=tuple(str(note) for note in stored["notes"]),
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}); run `jcenas data import ecnas-{space.lower()} FILE.tfrecord` again, or "
            "remove it"
        ) from error
