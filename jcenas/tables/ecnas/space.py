"""EC-NAS tables as spaces for `jcenas.moo`: a cell is one variable, the budget is the other (`jcenas.moo.Budgeted`).

The variable is a number, so no two genomes are isomorphic, and a search never pays twice for one cell. Mutation works
on the graph: EC-NAS's perturbation, repeated until the graph is another cell of the table.

Letters: m cells in the search, N cells of the catalog, n genomes.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.moo import Budgeted
from jcenas.spaces.nasbench101 import NasBench101
from jcenas.spaces.nasbench101_catalog import Catalog
from jcenas.tables.ecnas.dataset import EcNas
from jcenas.tables.ecnas.features import work

TRIES = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CellSpace:
    """Some or all cells of a catalog (`jcenas.moo.types.Space`); genomes are int32 (1,), places in `members`.

    Attributes:
      catalog: where the cells come from.
      members: int32 (m,), numbers of the cells in the search.
      place: int32 (N,), place of each cell in `members`, -1 for cells outside.
      table: float32 (m, f), features of the members in [0, 1].
    """

    catalog: Catalog
    members: jax.Array
    place: jax.Array
    table: jax.Array

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """One variable."""
        return (self.members.shape[0],)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n places uniformly, int32 (n, 1)."""
        return jax.random.randint(key, (n, 1), 0, self.members.shape[0], jnp.int32)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Perturb the graph until it is another member; after 64 attempts, any other member. genome int32 (1,)."""
        perturb, jump = jax.random.split(key)
        space = NasBench101(vertices=self.catalog.vertices)
        graph = self.catalog.genomes(self.members[genome[0]])
        number = self.catalog.index(space.mutations(perturb, graph, TRIES))
        found = jnp.where(number >= 0, self.place[jnp.maximum(number, 0)], -1)
        good = (found >= 0) & (found != genome[0])
        m = self.members.shape[0]
        other = (genome[0] + jax.random.randint(jump, (), 1, max(m, 2), jnp.int32)) % m
        return jnp.where(jnp.any(good), found[jnp.argmax(good)], other)[None].astype(jnp.int32)

    def features(self, genomes: jax.Array) -> jax.Array:
        """What the networks of genomes (n, 1) are made of, float32 (n, f): see `work`."""
        return self.table[genomes[:, 0]]


def cell_space(catalog: Catalog, members: np.ndarray | None = None) -> CellSpace:
    """The space of some cells of a catalog, or of all.

    Raises:
      InputError: no members.
    """
    numbers = np.arange(catalog.size) if members is None else np.asarray(members)
    if len(numbers) == 0:
        raise InputError("the table knows both objectives of no cell; choose another source of energies")
    place = np.full(catalog.size, -1, np.int32)
    place[numbers] = np.arange(len(numbers))
    numbers = jnp.asarray(numbers, jnp.int32)
    found = work(catalog.genomes(numbers), catalog.vertices)
    made = jnp.concatenate([found.shape[:, : 5 + 1 + 7], found.shape[:, -36:-30]], axis=1)
    low, high = jnp.min(made, axis=0), jnp.max(made, axis=0)
    table = (made - low[None, :]) / jnp.where(high > low, high - low, 1.0)[None, :]
    return CellSpace(catalog=catalog, members=numbers, place=jnp.asarray(place), table=table)


def search_space(table: EcNas, *, known_only: bool) -> Budgeted:
    """Cells and budgets of a table: genomes int32 (2,), the place of the cell and the index of the budget.

    Args:
      table: the benchmark.
      known_only: only cells with both objectives at some budget; else all, and what is not known fails.
    """
    known = np.flatnonzero(np.asarray(table.known()).any(axis=1)) if known_only else None
    return Budgeted(space=cell_space(table.catalog, known), budgets=tuple(float(b) for b in table.budgets))


def evaluate(table: EcNas, space: Budgeted, genomes: jax.Array) -> jax.Array:
    """Energy (kWh) and validation error (%), float32 (n, 2), of genomes (n, 2); NaN where not known."""
    cells = space.space
    assert isinstance(cells, CellSpace)
    place = genomes[:, 0]
    inside = (place >= 0) & (place < cells.members.shape[0])
    number = jnp.where(inside, cells.members[jnp.where(inside, place, 0)], -1)
    return table.objectives(number, genomes[:, 1])
