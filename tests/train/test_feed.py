"""Images that are brought to the device in pieces train exactly as images that lie on it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.train import feed, image_set
from jcenas.train.feed import Feed, counted_images, piece_steps
from jcenas.train.host_set import HostSet, host_set
from jcenas.train.images import ImageSource, split_parts
from jcenas.train.training import TrainConfig, make_trainer

GENOME = jnp.array([1, 0], jnp.int32)
CONFIG = TrainConfig(batch_size=8, chunk_steps=4)


class Small(nn.Module):
    """A network that compiles in no time."""

    @nn.compact
    def __call__(self, images, genome, *, statistics="running"):
        return nn.Dense(4)(images.reshape(len(images), -1)) * genome[0]


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(0)
    y = np.arange(100) % 4
    x = (y[:, None, None, None] * 50 + rng.integers(0, 60, (100, 8, 8, 3))).astype(np.uint8)
    return {"train": (x, y)}


@pytest.fixture(scope="module")
def both(parts):
    """The same set on the device and on the host."""
    facts = ImageSource(flip=True)
    return split_parts(parts, facts, seed=3), host_set(parts, facts, seed=3)


@pytest.fixture(scope="module")
def trainer(both):
    return make_trainer(Small(), CONFIG, both[1], genome_size=2)


def feed_of(trainer, data: HostSet, steps: int = 2) -> Feed:
    return Feed(trainer, data.train, batch=CONFIG.batch_size, steps=steps, put=jax.device_put)


def test_a_host_set_is_split_and_scaled_as_one_on_the_device(both):
    resident, host = both
    for part in ("train", "validation", "test"):
        own, other = getattr(resident, part), getattr(host, part)
        pixels, labels = other.take(np.arange(len(other.labels)))
        np.testing.assert_array_equal(own.images, pixels)
        np.testing.assert_array_equal(own.labels, labels)
    np.testing.assert_array_equal(resident.mean, host.mean)
    np.testing.assert_array_equal(resident.deviation, host.deviation)
    assert (resident.classes, resident.flip, resident.image_shape) == (host.classes, host.flip, host.image_shape)
    head = host.head(train=5, validation=10**6)
    np.testing.assert_array_equal(head.train.images, resident.train.images[:5])
    np.testing.assert_array_equal(head.validation.images, resident.validation.images)


def test_pieces_divide_chunks_and_bound_memory(monkeypatch):
    assert piece_steps(50, 64 * 3072) == 50  # CIFAR-10: a whole chunk
    assert piece_steps(50, 64 * 224 * 224 * 3) == 5  # six steps fit, five divide
    assert piece_steps(4, 10**12) == 1
    assert counted_images(64) == 500
    assert counted_images(224 * 224 * 3) == 111
    monkeypatch.setattr(feed, "PIECE_BYTES", 60)
    assert piece_steps(7, 10) == 1
    assert piece_steps(6, 10) == 6


def test_pieces_are_the_images_that_a_resident_chunk_takes(trainer, both):
    resident, host = both
    key, feed = jax.random.key(5), feed_of(trainer, host)
    assert trainer.steps_per_epoch == 8
    order = np.concatenate([trainer.order(key, jnp.int32(epoch))[:64] for epoch in (0, 1)])
    found = [np.asarray(x.labels) for x in feed.pieces(key, 4, steps=8, total=16)]  # over the end of an epoch
    np.testing.assert_array_equal(np.concatenate(found).ravel(), np.asarray(resident.train.labels)[order[32:96]])
    # Another training between two pieces, and going on from the middle, change nothing.
    next(feed.pieces(jax.random.key(6), 0, steps=2, total=16))
    again = np.asarray(next(feed.pieces(key, 6, steps=2, total=16)).images)
    np.testing.assert_array_equal(again, np.asarray(resident.train.images)[order[48:64]].reshape(again.shape))


def test_training_on_pieces_equals_training_on_the_device(trainer, both):
    resident, host = both
    chunk, fed = jax.jit(trainer.chunk), jax.jit(trainer.fed)
    feed, head = feed_of(trainer, host), host.head(train=1, validation=1)
    one = other = jax.jit(trainer.init)(jax.random.key(1), jnp.int32(16))
    genomes = jnp.tile(GENOME, (4, 1))
    for step in (0, 4, 8):
        one, loss = chunk(one, genomes, resident)
        losses = []
        for piece in feed.pieces(other.key, step, steps=4, total=16):
            other, more = fed(other, genomes[:2], piece, head)
            losses.extend(np.asarray(more).tolist())
        np.testing.assert_allclose(np.mean(losses), loss, rtol=1e-5)
    assert int(other.step) == 12
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), one.params, other.params)
    right = jax.jit(trainer.right)
    for part in ("train", "validation"):
        counted = sum(int(right(other, GENOME, piece, head)) for piece in feed.all_of(getattr(host, part), 16))
        expected = jax.jit(trainer.accuracy)(other, GENOME, getattr(resident, part), resident)
        assert counted / len(getattr(host, part).labels) == pytest.approx(float(expected))


def test_what_cannot_be_read_is_told_where_the_images_are_used(trainer, both):
    def put(tree):
        raise InputError("the device is full")

    feed = Feed(trainer, both[1].train, batch=8, steps=2, put=put)
    with pytest.raises(InputError, match="the device is full"):
        next(feed.pieces(jax.random.key(0), 0, steps=2, total=8))


def test_a_set_of_arrays_keeps_its_split():
    x, y = np.zeros((30, 4, 4), np.uint8), np.arange(30) % 3
    x[:, 0, 0] = np.arange(30)
    data = image_set(x, y, seed=1)
    seen = np.concatenate([np.asarray(getattr(data, p).images)[:, 0, 0, 0] for p in ("train", "validation", "test")])
    assert sorted(seen.tolist()) == list(range(30))
