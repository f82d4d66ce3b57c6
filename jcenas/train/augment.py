"""Scaling and augmentation of a batch, inside the jitted step: shift, mirror, cutout (arXiv 1708.04552)."""

import chex
import jax
import jax.numpy as jnp

from jcenas.train.images import ImageSet


def scale(images: jax.Array, data: ImageSet) -> jax.Array:
    """Normalise pixels by the training part's mean and deviation: uint8 (B, H, W, C) -> float32."""
    chex.assert_shape(images, (None, None, None, data.mean.shape[0]), custom_message="images")
    mean, deviation = data.mean[None, None, None], data.deviation[None, None, None]
    return (images.astype(jnp.float32) / 255.0 - mean) / deviation


def augment(key: jax.Array, images: jax.Array, *, flip: bool) -> jax.Array:
    """Shift by up to an eighth of the side, mirror half of the images if `flip`, cut out a square of a quarter side.

    Args:
        key: consumed.
        images: float32 (B, H, W, C), scaled so that 0 is the mean: what enters at the borders and fills the square.
        flip: whether a mirrored image is still of its class.

    Returns:
        float32 (B, H, W, C).
    """
    chex.assert_rank(images, 4, custom_message="images")
    shift_key, flip_key, cut_key = jax.random.split(key, 3)
    b, h, w, _ = images.shape
    reach = max(1, h // 8)
    corners = jax.random.randint(shift_key, (b, 2), 0, 2 * reach + 1)
    padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    images = jax.vmap(lambda image, corner: _crop(image, corner, h, w))(padded, corners)
    if flip:
        mirrored = jax.random.bernoulli(flip_key, shape=(b,))
        images = jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    centres = jax.random.randint(cut_key, (b, 2), 0, jnp.array([[h, w]]))
    side = max(1, h // 4)
    return images * ~(
        _inside(centres[:, 0], h, side)[:, :, None, None] & _inside(centres[:, 1], w, side)[:, None, :, None]
    )


def _crop(image, corner, h, w):
    return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (h, w, image.shape[2]))


def _inside(centres: jax.Array, size: int, side: int) -> jax.Array:
    """(B, size) bool: within the `side` pixels round each centre, clipped at the borders."""
    offsets = jnp.arange(size)[None] - centres[:, None] + side // 2
    return (offsets >= 0) & (offsets < side)
