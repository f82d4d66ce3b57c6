"""Brings images from the host to a device in pieces, the next one while the device works on the present one.

Which images a piece holds is a function of the training's key and step alone, so that a training that was cut goes on
with the images that it would have had.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.train.host_set import HostPart
from jcenas.train.images import Split
from jcenas.train.training import Trainer

PIECE_BYTES = 64 * 2**20  # of the training images that are brought at once; three pieces lie on the device
MOST_COUNTED = 500  # images whose answers are counted at once, as where they all lie on the device


def piece_steps(chunk_steps: int, step_bytes: int) -> int:
    """Steps of a piece: the most that divide a chunk and whose images take at most `PIECE_BYTES`; at least one."""
    fits = max(1, PIECE_BYTES // step_bytes)
    return max(steps for steps in range(1, chunk_steps + 1) if chunk_steps % steps == 0 and steps <= fits)


def counted_images(image_bytes: int) -> int:
    """Images whose answers are counted at once: fewer of large ones, whose activations are larger too."""
    return max(1, min(MOST_COUNTED, PIECE_BYTES // 4 // image_bytes))


class Feed:
    """The images of a device's trainings and validations, read by one thread that is a piece ahead."""

    def __init__(self, trainer: Trainer, train: HostPart, *, batch: int, steps: int, put: Callable[[Any], Any]):
        """Bind; nothing is read yet.

        Args:
            trainer: whose order of the images is followed.
            train: the images to train on.
            batch: images of a step.
            steps: of a piece; divides the trainer's chunk.
            put: lays a tree of arrays on the device.
        """
        self._train, self._batch, self.steps, self._put = train, batch, steps, put
        self._steps_per_epoch, self._order_of = trainer.steps_per_epoch, jax.jit(trainer.order)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="images")
        self._order: tuple[Any, np.ndarray] = (None, np.zeros(0, np.int32))
        self._ahead: tuple[Any, Future | None] = (None, None)

    def pieces(self, key: jax.Array, step: int, *, steps: int, total: int) -> Iterator[Split]:
        """The images of the steps `step` to `step + steps` of a training, in pieces (self.steps, batch, ...).

        Args:
            key: of the training.
            step: the first, a multiple of a piece.
            steps: how many, a multiple of a piece.
            total: of the training: beyond it nothing is read ahead.
        """
        # On the host: the training donates its state, and with it the key, while the reader still needs it.
        numbers = tuple(np.asarray(jax.random.key_data(key)).tolist())
        for now in range(step, step + steps, self.steps):
            known, waiting = self._ahead
            if known != (numbers, now) or waiting is None:
                waiting = self._reader.submit(self._read, numbers, now)
            piece = waiting.result()
            later = now + self.steps
            ahead = self._reader.submit(self._read, numbers, later) if later < total else None
            self._ahead = ((numbers, later), ahead)
            yield piece

    def _read(self, key: tuple[int, ...], step: int) -> Split:
        """One piece, on the device."""
        epoch, first = divmod(step, self._steps_per_epoch)
        if self._order[0] != (key, epoch):
            typed = jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32))
            self._order = ((key, epoch), np.asarray(self._order_of(typed, jnp.int32(epoch))))
        which = self._order[1][first * self._batch : (first + self.steps) * self._batch]
        return self._put(_split(*self._train.take(which.reshape(self.steps, self._batch))))

    def all_of(self, part: HostPart, size: int) -> Iterator[Split]:
        """Every image of a part once, in pieces (size, ...) on the device; the last is filled up with labels of -1."""

        def read(first: int) -> Split:
            which = np.arange(first, first + size)
            pixels, labels = part.take(np.minimum(which, n - 1))
            return self._put(_split(pixels, np.where(which < n, labels, -1).astype(np.int32)))

        n = len(part.labels)
        waiting = self._reader.submit(read, 0)
        for first in range(size, n + size, size):
            piece = waiting.result()
            if first < n:
                waiting = self._reader.submit(read, first)
            yield piece


def _split(pixels: Any, labels: Any) -> Split:
    """Images and labels that are still on the host."""
    return Split(images=pixels, labels=labels)
