"""The memory of an optimiser: every genome proposed or told, and its objectives, in arrays of fixed capacity.

A genome is *pending* from the moment `ask` proposes it until it is told; pending, told and failed genomes are all
*seen*, and are not proposed again while others are left. Rows fill up in order of first sight, so give a capacity for
all evaluations plus all that may be pending. Once all rows are taken, proposals are no longer remembered, and of what
has been told and what is told now the worst is forgotten: failed genomes first, then those that most others dominate,
the later of equals. Pending genomes stay. What was forgotten may be proposed again.

Letters: c capacity, d variables, m objectives, n genomes in one call.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import ArrayLike

from jcenas.moo.arrays import as_array, as_floats
from jcenas.moo.pareto import dominance_number


class History(struct.PyTreeNode):
    """Rows 0..count-1 are in use; the others have status EMPTY."""

    EMPTY: ClassVar[int] = 0
    PENDING: ClassVar[int] = 1
    TOLD: ClassVar[int] = 2
    FAILED: ClassVar[int] = 3

    genomes: jax.Array  # (c, d) int32
    objectives: jax.Array  # (c, m) float32, or float64 under `jax_enable_x64`; +inf where not told
    status: jax.Array  # (c,) int32
    count: jax.Array  # () int32, rows in use

    @property
    def told(self) -> jax.Array:
        """Mask, bool (c,): rows with finite objectives."""
        return self.status == self.TOLD

    @property
    def seen(self) -> jax.Array:
        """Mask, bool (c,): rows in use."""
        return self.status != self.EMPTY


def check_sizes(capacity: int, batch: int) -> None:
    """Raise ValueError unless a state of this capacity can remember at least one batch of at least one genome."""
    if not 1 <= batch <= capacity:
        raise ValueError(f"batch must be at least 1 and at most the capacity: got batch {batch}, capacity {capacity}")


def first_phase(initial: int, capacity: int) -> int:
    """Uniform samples before an optimiser models anything: `initial`, but at most half of what it can remember."""
    return min(initial, max(capacity // 2, 1))


def empty(capacity: int, variables: int, objectives: int) -> History:
    """Return a history without rows; objectives may be 0 for an optimiser that ignores them."""
    return History(
        genomes=jnp.zeros((capacity, variables), jnp.int32),
        objectives=jnp.full((capacity, objectives), jnp.inf, jnp.result_type(float)),
        status=jnp.full(capacity, History.EMPTY, jnp.int32),
        count=jnp.zeros((), jnp.int32),
    )


def same(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mask, bool (n, k): which of genomes a (n, d) equal which of b (k, d)."""
    equal = jnp.ones((a.shape[0], b.shape[0]), bool)
    for i in range(a.shape[1]):
        equal &= a[:, i][:, None] == b[:, i][None, :]
    return equal


def repeated(genomes: jax.Array) -> jax.Array:
    """Mask, bool (n,): genomes (n, d) that occur at a smaller index already."""
    return jnp.any(jnp.tril(same(genomes, genomes), -1), axis=1)


def contains(history: History, genomes: jax.Array) -> jax.Array:
    """Mask, bool (n,): genomes (n, d) that were proposed or told before."""
    return jnp.any(same(genomes, history.genomes) & history.seen[None, :], axis=1)


def _rows(history: History, genomes: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Row of each genome (n,) (the capacity if there is none left), whether it is new, and the new count."""
    known = same(genomes, history.genomes) & history.seen[None, :]
    old = jnp.any(known, axis=1)
    again = repeated(genomes)
    new = ~old & ~again
    capacity = history.status.shape[0]
    fresh = history.count + jnp.cumsum(new, dtype=jnp.int32) - 1
    row = jnp.where(old, jnp.argmax(known, axis=1).astype(jnp.int32), fresh)
    row = jnp.where(again, capacity, row)  # the first copy speaks for all
    count = jnp.minimum(history.count + jnp.sum(new, dtype=jnp.int32), capacity)
    return row, new, count


def propose(state: History, genomes: jax.Array) -> History:
    """Mark genomes (n, d) as pending, unless they are known already."""
    row, new, count = _rows(state, genomes)
    row = jnp.where(new, row, state.status.shape[0])
    return state.replace(
        genomes=state.genomes.at[row].set(genomes, mode="drop"),
        status=state.status.at[row].set(History.PENDING, mode="drop"),
        count=count,
    )


def tell(state: History, genomes: ArrayLike, objectives: ArrayLike) -> History:
    """Write the objectives (n, m) of genomes (n, d), proposed before or not; a row that is not finite becomes FAILED.

    A genome told again takes its latest objectives; of copies within one call, the first counts. Any n, 0 too.

    Raises:
      ValueError: names the shapes that do not fit.
    """
    genomes, objectives = check_tell(state, genomes, objectives)
    capacity, width = state.objectives.shape
    if genomes.shape[0] == 0:
        return state
    row, new, count = _rows(state, genomes)
    fine = jnp.all(jnp.isfinite(objectives), axis=1)
    values = jnp.where(fine[:, None], objectives[:, :width], jnp.inf)
    status = jnp.where(fine, History.TOLD, History.FAILED).astype(jnp.int32)
    state = _write(state, row, History(genomes, values, status, count))
    left_over = new & (row >= capacity)
    if not width:  # nothing to compare by
        return state
    return jax.lax.cond(jnp.any(left_over), _replace_worst, lambda s, *_: s, state, left_over, genomes, values, status)


def _write(state: History, row: jax.Array, new: History) -> History:
    """Put n new rows in places (n,), nowhere where that is the capacity; the count becomes theirs."""
    return History(
        genomes=state.genomes.at[row].set(new.genomes, mode="drop"),
        objectives=state.objectives.at[row].set(new.objectives, mode="drop"),
        status=state.status.at[row].set(new.status, mode="drop"),
        count=new.count,
    )


def _replace_worst(
    state: History, left_over: jax.Array, genomes: jax.Array, values: jax.Array, status: jax.Array
) -> History:
    """Put those of the n new rows that are left over in the places of worse ones of a full history."""
    capacity, n = state.status.shape[0], status.shape[0]
    present = jnp.concatenate([jnp.ones(capacity, bool), left_over])
    kind = jnp.where(present, jnp.concatenate([state.status, status]), History.EMPTY)
    number = dominance_number(jnp.concatenate([state.objectives, values]), kind == History.TOLD)
    last = jnp.full_like(number, capacity + n)
    kinds = [kind == History.PENDING, kind == History.TOLD, kind == History.FAILED]
    badness = jnp.select(kinds, [jnp.full_like(number, -1), number, last], last + 1)
    stays = jnp.zeros(capacity + n, bool).at[jnp.argsort(badness, stable=True)[:capacity]].set(True)
    free = jnp.argsort(stays[:capacity], stable=True)  # places that become free come first
    enters = stays[capacity:]
    row = jnp.where(enters, free[jnp.maximum(jnp.cumsum(enters) - 1, 0)], capacity)
    return _write(state, row, History(genomes, values, status, state.count))


def check_tell(history: History, genomes: ArrayLike, objectives: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Genomes as int32 (n, d) and objectives (n, m) as arrays of this history's types.

    Raises:
      ValueError: before tracing goes on, on other shapes.
    """
    genomes, objectives = as_array(genomes), as_floats(objectives)
    variables, width = history.genomes.shape[1], history.objectives.shape[1]
    if genomes.ndim != 2 or genomes.shape[1] != variables:
        raise ValueError(f"genomes must have shape (n, {variables}), got {genomes.shape}")
    if objectives.ndim != 2 or objectives.shape[0] != genomes.shape[0] or (width and objectives.shape[1] != width):
        raise ValueError(
            f"objectives must have shape (n, {width or 'm'}) for genomes {genomes.shape}, got {objectives.shape}"
        )
    return genomes.astype(jnp.int32), objectives.astype(history.objectives.dtype)


def rows_of(history: History, genomes: jax.Array) -> jax.Array:
    """Row of each genome (n, d), int32 (n,); the capacity for genomes not seen."""
    known = same(genomes, history.genomes) & history.seen[None, :]
    return jnp.where(jnp.any(known, axis=1), jnp.argmax(known, axis=1), history.status.shape[0]).astype(jnp.int32)
