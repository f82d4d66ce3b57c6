"""The programs of a search whose images stay on the host: they come to the device in pieces of a chunk while it trains.

Only the first images lie there, for what scores and times networks. The steps, their images and their order are those
of `DevicePrograms`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.live.programs import SCORE_IMAGES, DevicePrograms
from jcenas.proxies.one_shot import with_choice
from jcenas.runtime import sharding
from jcenas.runtime.compilation import Program
from jcenas.train.feed import Feed, counted_images, piece_steps
from jcenas.train.host_set import HostPart
from jcenas.train.images import ImageSet, Split
from jcenas.train.training import TrainState

PROXY_IMAGES = 64  # that a score of an untrained network looks at, see `jcenas.proxies.zero_shot.make_proxy`


class StreamedPrograms(DevicePrograms):
    """Executables bound to one device, and what brings it a `HostSet`."""

    streamed = True

    def _on_device(self) -> ImageSet:
        return self.images.head(train=PROXY_IMAGES, validation=SCORE_IMAGES)

    def _bind(self, device: sharding.Device, data: ImageSet) -> None:
        super()._bind(device, data)
        batch = self.config.batch_size
        self._counted = counted_images(self.images.image_bytes)
        self._feed = Feed(
            self.trainer,
            self.images.train,
            batch=batch,
            steps=piece_steps(self.trainer.chunk_steps, batch * self.images.image_bytes),
            put=lambda tree: sharding.place(tree, device),
        )

    def _training_programs(self, compiled: Callable[..., Program], state: TrainState, data: ImageSet) -> dict:
        d, batch, shape = len(self.problem.space.cardinalities), self.config.batch_size, self.images.image_shape
        steps = self._feed.steps
        genomes, genome = np.zeros((steps, d), np.int32), np.zeros(d, np.int32)
        return {
            "fed": compiled(self.trainer.fed, state, genomes, _shapes((steps, batch), shape), data, donate_argnums=0),
            "right": compiled(self.trainer.right, state, genome, _shapes((self._counted,), shape), data),
        }

    def train_candidate(self, state: TrainState, genome: tuple[int, ...]) -> tuple[TrainState, float]:
        """Train one chunk of one cell; the state is donated. Returns the mean loss, NaN or infinite if it diverged."""
        return self._train(state, np.tile(np.array(genome, np.int32), (self.trainer.chunk_steps, 1)))

    def train_supernet(self, state: TrainState, fixed: tuple[int, int] | None = None) -> tuple[TrainState, float]:
        """Train one chunk of the supernet, as `DevicePrograms.train_supernet` does."""
        paths = self._compiled["paths"](state)
        if fixed is not None:
            paths = with_choice(self.problem.space, jnp.asarray(paths), *fixed)
        return self._train(state, np.asarray(paths))

    def _train(self, state: TrainState, genomes: np.ndarray) -> tuple[TrainState, float]:
        """Train one chunk, a genome (d,) a step."""
        step, total, losses = int(state.step), int(state.total), []
        pieces = self._feed.pieces(state.key, step, steps=len(genomes), total=total)
        for own, piece in zip(np.split(genomes, len(genomes) // self._feed.steps), pieces, strict=True):
            state, loss = self._compiled["fed"](state, self._put(own), piece, self.data)
            jax.block_until_ready(losses[-1:])  # else a fast reader lays the whole chunk on the device
            losses.append(loss)
        return state, float(np.mean(np.concatenate(losses)))

    def validation_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the validation part."""
        return self._error(state, genome, self.images.validation)

    def test_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the test part; for the report at the end only."""
        return self._error(state, genome, self.images.test)

    def _error(self, state: TrainState, genome: tuple[int, ...], part: HostPart) -> float:
        own, right = self._put(np.array(genome, np.int32)), 0
        for piece in self._feed.all_of(part, self._counted):
            right += int(self._compiled["right"](state, own, piece, self.data))
        return 1.0 - float(np.float32(right) / np.float32(len(part.labels)))


def _shapes(images: tuple[int, ...], image: tuple[int, int, int]) -> Split:
    """Shapes of so many images and their labels, to compile for."""
    return Split(
        images=jax.ShapeDtypeStruct((*images, *image), jnp.uint8),  # pyright: ignore[reportArgumentType]
        labels=jax.ShapeDtypeStruct(images, jnp.int32),  # pyright: ignore[reportArgumentType]
    )
