"""Image sets that stay on the host because the device has no room for them; only their first images lie on it.

The split, the scaling and the order of the images are those of a set on the device (`jcenas.train.images`), so that a
training on either is the same one.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jcenas.train.image_arrays import PARTS, Arrays
from jcenas.train.images import ImageSet, ImageSource, Split, moments, split_rows


class HostPart(NamedTuple):
    """N images of one part of a set, rows of a larger array."""

    pixels: np.ndarray  # (M, H, W, C) uint8; of a file that is mapped into memory, only what is touched is read
    rows: np.ndarray  # (N,) which of them
    labels: np.ndarray  # (N,) int32

    def take(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """New arrays of the images `which`, int (...) in 0..N-1: pixels (..., H, W, C) and labels (...)."""
        return np.take(self.pixels, self.rows[which], axis=0), self.labels[which]

    def first(self, count: int) -> Split:
        """The first `count` images, or all if there are fewer, on JAX's default device."""
        pixels, labels = self.take(np.arange(min(count, len(self.labels))))
        return Split(images=jnp.asarray(pixels), labels=jnp.asarray(labels))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HostSet:
    """A data set on the host; the fields mean what those of `ImageSet` mean. No argument of a compiled function."""

    train: HostPart
    validation: HostPart
    test: HostPart
    mean: np.ndarray  # (C,) float32
    deviation: np.ndarray  # (C,) float32
    classes: int
    flip: bool

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        height, width, channels = self.train.pixels.shape[1:]
        return height, width, channels

    @property
    def image_bytes(self) -> int:
        """Bytes of an image."""
        return int(np.prod(self.image_shape))

    def head(self, *, train: int, validation: int) -> ImageSet:
        """The first images of both parts, and one of the test part, on the device: what scales, scores and times."""
        return ImageSet(
            train=self.train.first(train),
            validation=self.validation.first(validation),
            test=self.test.first(1),
            mean=jnp.asarray(self.mean),
            deviation=jnp.asarray(self.deviation),
            classes=self.classes,
            flip=self.flip,
        )


def host_set(parts: Mapping[str, Arrays], facts: ImageSource, *, seed: int = 0) -> HostSet:
    """Split checked parts as `images.split_parts` does, and leave their pixels where they are."""
    found = {}
    for part, (source, rows) in split_rows({part: y for part, (_, y) in parts.items()}, facts, seed=seed).items():
        pixels, labels = parts[source]
        rows = np.arange(len(labels)) if rows is None else rows
        found[part] = HostPart(np.asarray(pixels), rows, np.asarray(labels[rows], np.int32))
    mean, deviation = moments(found["train"].pixels, found["train"].rows)
    return HostSet(
        **{part: found[part] for part in PARTS},
        mean=mean,
        deviation=deviation,
        classes=int(max(labels.max() for _, labels in parts.values())) + 1,
        flip=facts.flip,
    )
