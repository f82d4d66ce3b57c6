"""A tabular benchmark on the device: every architecture of a space with what is known of it, one array a column.

Letters: N architectures, d variables of a genome, m objectives, n queries. Objectives are minimised: accuracies enter
as error rates. Every column says whether it was measured, modelled or derived (`Table.notes`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import struct

from jcenas.errors import InputError
from jcenas.tables.grid import Grid, Listed


class Table(struct.PyTreeNode, eq=False):
    """Columns over N architectures; row i belongs to genome i. Two tables are equal only if they are the same object.

    Column names that the rest of the program knows: `error` (%, what is searched), `train_seconds` (s, one training),
    `noise` (% standard deviation of `error` over seeds), and `*_error` for cheap estimates of `error`.
    """

    genomes: jax.Array  # (N, d) int32
    columns: dict[str, jax.Array]  # (N,) float32 each; NaN where unknown
    name: str = struct.field(pytree_node=False)
    space: Any = struct.field(pytree_node=False)  # follows jcenas.moo.types.Space
    notes: tuple[tuple[str, str], ...] = struct.field(pytree_node=False)  # column -> where its numbers come from
    incomplete: tuple[str, ...] = struct.field(pytree_node=False)  # columns with unknown values

    @property
    def size(self) -> int:
        """Number of architectures."""
        return self.genomes.shape[0]

    def rows(self, genomes: jax.Array) -> jax.Array:
        """Row of each genome, int32 (n,), for genomes int32 (n, d); -1 where the table does not have it."""
        chex.assert_shape(genomes, (None, self.genomes.shape[1]), custom_message="genomes")
        if isinstance(self.space, Listed):
            return self.space.rows(genomes)
        most = jnp.asarray(self.space.cardinalities, jnp.int32)
        strides = np.cumprod((1, *self.space.cardinalities[:0:-1]))[::-1].astype(np.int32)
        inside = jnp.all((genomes >= 0) & (genomes < most[None, :]), axis=1)
        return jnp.where(inside, jnp.sum(genomes * strides[None, :], axis=1, dtype=jnp.int32), -1)

    def column(self, name: str) -> jax.Array:
        """One complete column, float32 (N,).

        Raises:
          InputError: the table has no such column, or not all of its values.
        """
        if name not in self.columns:
            known = ", ".join(sorted(self.columns))
            raise InputError(f"table {self.name} has no column {name!r}; its columns are {known}")
        if name in self.incomplete:
            unknown = int(jnp.sum(~jnp.isfinite(self.columns[name])))
            whole = ", ".join(sorted(set(self.columns) - set(self.incomplete)))
            raise InputError(
                f"table {self.name}: column {name!r} is missing for {unknown} of {self.size} architectures; "
                f"complete columns are {whole}"
            )
        return self.columns[name]

    def objectives(self, names: Sequence[str]) -> jax.Array:
        """Complete columns side by side, float32 (N, m); see `column` for the errors."""
        return jnp.stack([self.column(name) for name in names], axis=1)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        genome: str | Sequence[str],
        name: str = "table",
        space: Any = None,
        notes: Mapping[str, str] | None = None,
    ) -> "Table":
        """Make a table of a data frame with one row for each architecture, in any order.

        Args:
          frame: columns of the genome, and numeric columns of what is known; an unknown value is NaN.
          genome: the columns that hold the variables (integers from 0), or one column of digit strings like `'0312'`.
          name: how messages call it.
          space: the space of the genomes, of which a list is made where some are missing; default: the grid of all
            combinations, or the list of those that there are.
          notes: for each column how its numbers were made.

        Raises:
          InputError: missing columns, genomes that are no integers from 0 or come twice, genomes outside `space`, a
            column that is not numeric, or no row at all.
        """
        genomes = _genomes(frame, genome, name)
        order = np.lexsort(genomes.T[::-1])
        genomes = genomes[order]
        if len(genomes) > 1 and (again := (genomes[1:] == genomes[:-1]).all(axis=1)).any():
            raise InputError(
                f"table {name}: genome {genomes[1:][again][0].tolist()} comes twice; leave one of its rows"
            )
        space = _space(genomes, space, name)
        used = {genome} if isinstance(genome, str) else set(genome)
        columns, incomplete = {}, []
        for column in frame.columns:
            if column in used:
                continue
            try:
                values = frame[column].to_numpy(np.float64)[order]
            except (TypeError, ValueError) as error:
                raise InputError(f"table {name}: column {column!r} is not numeric ({error}); leave it out") from error
            columns[str(column)] = jnp.asarray(values, jnp.float32)
            if not np.isfinite(values).all():
                incomplete.append(str(column))
        sources = tuple(sorted((notes or {}).items()))
        return cls(jnp.asarray(genomes), columns, name, space, sources, tuple(incomplete))


def _genomes(frame: pd.DataFrame, genome: str | Sequence[str], name: str) -> np.ndarray:
    """The genomes of the frame, int32 (N, d)."""
    wanted = [genome] if isinstance(genome, str) else list(genome)
    if lacking := [column for column in wanted if column not in frame.columns]:
        raise InputError(
            f"table {name} has no column {lacking[0]!r}; its columns are {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise InputError(f"table {name} has no rows")
    if isinstance(genome, str):
        texts = frame[genome].astype(str)
        if texts.str.len().nunique() != 1 or not texts.str.fullmatch(r"\d+").all():
            raise InputError(f"table {name}: column {genome!r} must hold digit strings of one length, such as '0312'")
        return np.array([[int(c) for c in text] for text in texts], np.int32)
    values = frame[wanted].to_numpy()
    try:
        whole = values.astype(np.int32)
        integers = bool((whole == values.astype(np.float64)).all() and (whole >= 0).all())
    except (TypeError, ValueError):
        integers = False
    if not integers:
        raise InputError(f"table {name}: the genome columns {', '.join(wanted)} must hold integers from 0")
    return whole


def _space(genomes: np.ndarray, space: Any, name: str) -> Any:
    """The space given, if the sorted genomes are all of it; else the grid or the list that they form."""
    if space is None and (genomes.min(axis=0) > 0).any():
        i = int(np.flatnonzero(genomes.min(axis=0) > 0)[0])
        low, high = genomes[:, i].min(), genomes[:, i].max()
        raise InputError(
            f"table {name}: variable {i} of the genomes takes {low} to {high}, never 0; number its choices from 0, or "
            "give the space"
        )
    most = tuple(int(c) + 1 for c in genomes.max(axis=0)) if space is None else tuple(space.cardinalities)
    if genomes.shape[1] != len(most):
        raise InputError(
            f"table {name}: genomes of {genomes.shape[1]} variables are not of the space given, which has {len(most)}"
        )
    if (outside := (genomes >= np.array(most)).any(axis=1)).any():
        raise InputError(
            f"table {name}: genome {genomes[outside][0].tolist()} is not of the space given, whose variables have "
            f"{' x '.join(map(str, most))} choices, numbered from 0"
        )
    if len(genomes) < math.prod(most):
        return Listed(genomes, of=space)
    return Grid(most) if space is None else space
