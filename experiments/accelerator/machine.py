"""The device by itself: how fast it copies and multiplies, which is what the other parts are held against."""

from typing import Any

import jax
import jax.numpy as jnp

from experiments.accelerator.table import Table
from experiments.lib import recording

COLUMNS = ("value", "q1", "q3", "unit")
EXPECTED = "within a fifth of what the maker states"
NOTES = ("Copies: bytes read and written, of a float32 array plus one. Products: multiply and add count as two.",)
COPY = "copies within the device"
ROW_S = 60.0
_EXTRA = ("optax", "orbax-checkpoint", "torch", "moocore")


def measure(table: Table, *, smoke: bool) -> None:
    """Describe the machine, and measure it."""
    environment = recording.environment()
    environment["versions"] |= recording.versions(_EXTRA)
    table.content["environment"] = environment
    table.row(COPY, lambda: _copies(2**20 if smoke else 2**28), limit_s=ROW_S)
    for dtype in ("bfloat16", "float32"):

        def product(dtype=dtype):
            return _products(256 if smoke else 8192, dtype)

        table.row(f"products of matrices, {dtype}", product, limit_s=ROW_S)


def _copies(numbers: int) -> dict[str, Any]:
    times = recording.time_compiled(lambda x: x + 1, jnp.zeros(numbers, jnp.float32), repeats=20, warmup=3)
    return _rates(times, 2 * 4 * numbers / 1e9, "GB/s")


def _products(size: int, dtype: str) -> dict[str, Any]:
    matrix = jax.random.normal(jax.random.key(0), (size, size), jnp.float32).astype(dtype)
    times = recording.time_compiled(lambda a: a @ a, matrix, repeats=20, warmup=3)
    return _rates(times, 2 * size**3 / 1e12, "TFLOP/s")


def _rates(times: dict[str, float], amount: float, unit: str) -> dict[str, Any]:
    median, slow, fast = (amount / times[name] for name in ("median_s", "q3_s", "q1_s"))
    return {"value": median, "q1": slow, "q3": fast, "unit": unit}


def copy_gb_s(table: Table) -> float | None:
    """The speed of copies that the machine's part has measured in the same run, None if it has not."""
    row = Table(table.path.with_name("machine.json")).find(COPY)
    return None if row is None else row["value"]
