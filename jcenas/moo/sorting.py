"""Fast orders of floats.

XLA's CPU sort of one array of unsigned integers is four to six times faster than its sort of floats or of several
arrays. The bits of a float, with all of them inverted if it is negative and the sign bit if it is not, are an unsigned
integer in the order of the floats; so the order of n numbers is found by a radix sort whose passes each sort one
integer array, a digit before the position.
"""

import jax
import jax.numpy as jnp


def _order(bits: jax.Array, low: int) -> jax.Array:
    """Stable ascending order, int32 (n,), of unsigned bits (n,), whose lowest `low` bits are known to be equal."""
    n, word = bits.shape[0], bits.dtype.type
    width = jnp.iinfo(word).bits
    place = max(n - 1, 1).bit_length()
    digit = width - place
    index = jnp.arange(n, dtype=word)
    order = jnp.arange(n, dtype=jnp.int32)
    while low < width:  # least significant digit first; every pass is stable because positions break ties
        count = min(digit, width - low)
        part = (bits[order] >> word(low)) & word((1 << count) - 1)
        packed = jnp.sort((part << word(place)) | index)
        order = order[(packed & word((1 << place) - 1)).astype(jnp.int32)]
        low += count
    return order


def _bits(values: jax.Array) -> tuple[jax.Array, int]:
    """Bits of values (n,) as unsigned integers, and their number; only float64 is not read as float32."""
    if values.dtype == jnp.float64:
        return jax.lax.bitcast_convert_type(values, jnp.uint64), 64
    return jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.uint32), 32


def ascending(values: jax.Array) -> jax.Array:
    """Stable order, int32 (n,), of values (n,) from the smallest up; infinities are values, NaN must not occur."""
    bits, width = _bits(values + 0.0)  # -0.0 becomes 0.0
    sign = bits >> (width - 1)
    top = bits.dtype.type(1 << (width - 1))
    return _order(jnp.where(sign == 1, ~bits, bits | top), 0)


def descending_gains(values: jax.Array) -> jax.Array:
    """Stable order, int32 (n,), of nonnegative values (n,) from the largest down; knowing signs may save a pass."""
    bits, _ = _bits(values)
    return _order(~bits << 1, 1)
