"""EC-NAS tables from the prepared files of the data folder (`ec_nas/`, see `jcenas data list`)."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jcenas.errors import InputError
from jcenas.nets.nasbench101 import cost as network
from jcenas.spaces import nasbench101 as cells
from jcenas.spaces.nasbench101_catalog import Catalog, catalog
from jcenas.tables.ecnas import published as ecnas_published
from jcenas.tables.ecnas import surrogate as ecnas_surrogate
from jcenas.tables.ecnas.dataset import BUDGETS, DIRECT, MEASURED, SAMPLED, SCALED, SPACES, EcNas, scaled
from jcenas.tables.store import locate

RAW = {"4V": "ec_nas/ecnas_4V9E_4epochs_raw.csv.gz", "5V": "ec_nas/ecnas_5V9E_4epochs_raw.csv.gz"}
ACCURACIES = "ec_nas/nb101_accuracy_subset.csv.gz"
SUBSET = "ec_nas/ecnas_7V_subset_with_architectures.csv.gz"
MEASURED_7V = "ec_nas/ecnas_7V_4epochs_energy_measured.csv.gz"
PUBLISHED_WEIGHTS = "ec_nas/ecnas_7V_energy_surrogate_mlp_h128.npz"
Source = Literal["published", "surrogate", "measured"]

# Column of the raw tables -> metric; accuracies there are fractions. {h} is the epoch of the half-way evaluation.
_COLUMNS = {
    "total_time_s": "total_time_s",
    "total_energy_kWh": "total_energy_kwh",
    "total_co2eq_g": "total_co2_g",
    "avg_intensity_gCO2_per_kWh": "intensity_g_per_kwh",
    "gpu_avg_power_W": "gpu_power_w",
    "gpu_energy_J": "gpu_energy_j",
    "cpu_avg_power_W": "cpu_power_w",
    "cpu_energy_J": "cpu_energy_j",
    "e4_train_time_s": "train_time_s",
    "e4_energy_kWh": "energy_kwh",
    "e4_co2eq_g": "co2_g",
    "e4_predicted_time_s": "predicted_time_s",
    "e4_predicted_energy_kWh": "predicted_energy_kwh",
    "e4_predicted_co2eq_g": "predicted_co2_g",
    "e4_train_acc": "own_train_accuracy",
    "e4_val_acc": "own_validation_accuracy",
    "e4_test_acc": "own_test_accuracy",
    "{h}_train_time_s": "halfway_train_time_s",
    "{h}_energy_kWh": "halfway_energy_kwh",
    "{h}_val_acc": "halfway_own_validation_accuracy",
}


def load(
    space: str,
    *,
    linear_scaling: bool = False,
    repeat: int | None = 1,
    energy: Source = "published",
) -> EcNas:
    """Read one space of the benchmark.

    Args:
      space: `4V`, `5V` or `7V`.
      linear_scaling: extrapolate training time, energy and emissions from 4 epochs to 12, 36 and 108 in proportion, as
        the published tables do.
      repeat: which of the three repeats of 4V, 1 as published; None takes the mean of all.
      energy: where the energies of 7V come from: the published surrogate, ours, or only the 4,310 measured cells. With
        the published one, accuracies are those of the 1,123 cells of the published runs, for comparison with them.

    Raises:
      InputError: unknown space or option, or a data file is missing (names the command that mends it).
    """
    if space not in SPACES:
        raise InputError(f"there is no EC-NAS space '{space}'; choose one of {', '.join(SPACES)}")
    if repeat not in (None, 1, 2, 3):
        raise InputError(f"repeat must be 1, 2, 3 or None, got {repeat}")
    if energy not in ("published", "surrogate", "measured"):
        raise InputError(f"energy must be published, surrogate or measured, got '{energy}'")
    book = catalog(SPACES[space])
    columns, notes = _large(book, energy) if space == "7V" else _direct(book, space, repeat)
    if linear_scaling:
        columns = scaled(columns)
        notes = (*notes, f"{', '.join(SCALED)}: measured at {MEASURED} epochs, times epochs / {MEASURED}")
    return EcNas(
        columns={name: jnp.asarray(column, jnp.float32) for name, column in columns.items()},
        parameters=network.parameters(book.genomes(jnp.arange(book.size)), book.vertices),
        catalog=book,
        name=space,
        campaign=SAMPLED if space == "7V" else DIRECT,
        budgets=BUDGETS,
        linear_scaling=linear_scaling,
        notes=notes,
    )


def numbers(book: Catalog, frame: pd.DataFrame) -> np.ndarray:
    """Numbers (n,) in a catalog of the cells of a table with the columns `adjacency` and `ops`; -1 if too large."""
    described = frame["adjacency"] + ":" + frame["ops"]
    unique, back = np.unique(described.to_numpy(str), return_inverse=True)
    found = [cells.from_string(text) for text in unique]
    fits = np.array([len(cell.operations) <= book.vertices for cell in found])
    genomes = np.array([cells.encode(cell, book.vertices) for cell, yes in zip(found, fits, strict=True) if yes])
    result = np.full(len(unique), -1, np.int32)
    result[fits] = np.asarray(book.index(jnp.asarray(genomes)))
    return result[back]


def _table(name: str) -> Any:  # a frame; the stubs of pandas cannot tell what a selection is
    return pd.read_csv(locate(name), dtype={"adjacency": str, "ops": str, "hash": str})


def _place(column: Any, number: np.ndarray, epochs: np.ndarray, size: int) -> np.ndarray:
    """Array (N, B) of the column's values (n,) at cells (n,) and budgets (n,) in epochs; NaN elsewhere."""
    result = np.full((size, len(BUDGETS)), np.nan)
    inside = (number >= 0) & np.isin(epochs, BUDGETS)
    result[number[inside], np.searchsorted(BUDGETS, epochs[inside])] = column.to_numpy(float)[inside]
    return result


def _accuracies(book: Catalog) -> dict[str, np.ndarray]:
    """NAS-Bench-101's accuracies as far as they are known, (N, B) each."""
    frame = _table(ACCURACIES)
    number, epochs = numbers(book, frame), frame["epochs"].to_numpy(int)
    names = {"val_acc": "validation_accuracy", "test_acc": "test_accuracy"}
    return {metric: _place(frame[name], number, epochs, book.size) for name, metric in names.items()}


def _direct(book: Catalog, space: str, repeat: int | None) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Columns and notes of a space that was measured cell by cell."""
    frame = _table(RAW[space])
    if space == "4V" and repeat is not None:
        frame = frame[frame["repeat"] == repeat]
    names = {raw.format(h="e1" if space == "4V" else "e2"): metric for raw, metric in _COLUMNS.items()}
    means = frame.groupby(["adjacency", "ops"], sort=False)[list(names)].mean().reset_index()
    number, epochs = numbers(book, means), np.full(len(means), MEASURED)
    columns = {metric: _place(means[raw], number, epochs, book.size) for raw, metric in names.items()}
    columns = {name: 100 * column if "accuracy" in name else column for name, column in columns.items()}
    columns |= _accuracies(book)
    trained = int(np.isfinite(columns["validation_accuracy"][:, -1]).sum())
    note = f"accuracies at {BUDGETS[-1]} epochs are known for {trained} of {book.size} cells"
    return columns, (note, "Quadro RTX 6000 and two processors; power usage effectiveness included")


def _large(book: Catalog, energy: Source) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Columns and notes of 7V."""
    columns = {} if energy == "published" else _accuracies(book)
    subset = _table(SUBSET)
    number, epochs = numbers(book, subset), subset["epochs"].to_numpy(int)
    for raw, metric in (("val_acc", "validation_accuracy"), ("test_acc", "test_accuracy")):
        found = _place(subset[raw], number, epochs, book.size)
        columns[metric] = np.where(np.isfinite(found), found, columns.get(metric, np.nan))
    columns["train_time_s"] = _place(subset["train_time_s"], number, epochs, book.size)
    column = np.full((book.size, len(BUDGETS)), np.nan)
    if energy == "measured":
        measured = _table(MEASURED_7V)
        column[numbers(book, measured), 0] = measured["energy_kWh_4epochs"]
        note = f"energies are known for the {len(measured)} measured cells only"
    else:
        found = energies_wh(book, energy) / 1e3
        column[:, 0] = np.where(found > 0, found, np.nan)
        kind = "published" if energy == "published" else "package's own"
        note = f"energies by the {kind} surrogate, not positive and left out for {np.sum(found <= 0)} cells"
    return columns | {"energy_kwh": column}, (note, "training times are NAS-Bench-101's, on other hardware")


def energies_wh(book: Catalog, source: Source) -> np.ndarray:
    """Surrogate energies of four epochs, Wh (N,), of every cell of a catalog; `published` or `surrogate`."""
    genomes = book.genomes(jnp.arange(book.size))
    if source == "published":
        params = ecnas_published.load_params(locate(PUBLISHED_WEIGHTS))
        model = ecnas_published.PublishedNet()
        predict = jax.jit(lambda g: model.apply(params, ecnas_published.inputs(g, book.vertices)))
        return np.asarray(predict(genomes))
    return np.asarray(ecnas_surrogate.load().predict(genomes).energy_wh)


def measured_7v() -> tuple[np.ndarray, np.ndarray]:
    """Genomes int32 (4310, 26) and energies of four epochs, Wh (4310,), of the measured 7V cells, in file order."""
    frame = _table(MEASURED_7V)
    genomes = [
        cells.encode(cells.from_string(f"{a}:{o}")) for a, o in zip(frame["adjacency"], frame["ops"], strict=True)
    ]
    return np.stack(genomes), 1e3 * frame["energy_kWh_4epochs"].to_numpy(float)
