import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.train import images
from jcenas.train.augment import augment, scale


@pytest.fixture(scope="module")
def digits():
    return images.load_images("digits", [])


def test_digits_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    theirs = load_digits()
    ours = np.concatenate([np.asarray(p.images) for p in (digits.train, digits.validation, digits.test)])
    expected = np.round(theirs.images * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, ours.reshape(1797, 64))) == sorted(map(bytes, expected.reshape(1797, 64)))
    labels = np.concatenate([np.asarray(p.labels) for p in (digits.train, digits.validation, digits.test)])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(theirs.target))


def pixels(split):
    return {bytes(np.asarray(x).ravel()) for x in split.images}


def test_digits_are_split_once_and_for_all(digits):
    sizes = [digits.train.labels.size, digits.validation.labels.size, digits.test.labels.size]
    assert sum(sizes) == 1797
    assert sizes[1] == pytest.approx(0.2 * 0.8 * 1797, abs=6)
    assert sizes[2] == pytest.approx(0.2 * 1797, abs=6)
    assert digits.classes == 10
    again = images.load_images("digits", [])
    np.testing.assert_array_equal(digits.test.images, again.test.images)
    other = images.load_images("digits", [], seed=1)
    assert not np.array_equal(digits.test.images[:50], other.test.images[:50])


def test_parts_do_not_overlap_and_keep_their_classes(digits):
    # a few digits are drawn alike to the last pixel, so compare the counts of distinct images
    assert len(pixels(digits.train) & pixels(digits.test)) <= 2
    for part in (digits.train, digits.validation, digits.test):
        shares = np.bincount(np.asarray(part.labels), minlength=10) / part.labels.size
        assert np.abs(shares - 0.1).max() < 0.01


def test_scaling_gives_zero_mean_and_unit_deviation(digits):
    x = scale(digits.train.images, digits)
    assert x.dtype == jnp.float32
    assert abs(float(x.mean())) < 1e-3
    assert abs(float(x.std()) - 1) < 1e-3


def test_augmentation_moves_one_pixel_by_at_most_an_eighth_and_cuts_a_square(key):
    picture = jnp.zeros((64, 16, 16, 1)).at[:, 8, 8].set(1.0)
    moved = np.asarray(augment(key, picture, flip=False))
    kept = moved.sum(axis=(1, 2, 3))
    assert set(kept.tolist()) <= {0.0, 1.0}  # moved whole, or cut out
    assert 0 < kept.sum() < 64
    rows = np.argwhere(moved[..., 0] > 0)[:, 1:]
    assert np.abs(rows - 8).max() == 2


def test_flip_mirrors_about_half_of_the_images(key):
    picture = jnp.broadcast_to(jnp.arange(16.0)[None, None, :, None] + 1, (400, 16, 16, 1))

    def rising(images):  # the brightest row is untouched by the cut; borders may hold the shift's zeros
        return np.asarray(images)[..., 0].max(axis=1)[:, 5] < np.asarray(images)[..., 0].max(axis=1)[:, 10]

    assert 150 < rising(augment(key, picture, flip=True)).sum() < 250  # 200 expected, standard deviation 10
    assert rising(augment(key, picture, flip=False)).all()


def test_an_unknown_set_lists_the_known_ones():
    with pytest.raises(InputError, match=r"unknown data set 'svhn'.*digits, mnist"):
        images.load_images("svhn", [])


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "mnist.npz"
    file.write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match=r"mnist\.npz: not a readable 'mnist'"):
        images.load_images("mnist", [file])
    np.savez(tmp_path / "other.npz", z=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz"):
        images.load_images("mnist", [tmp_path / "other.npz"])


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape", "classes", "total"),
    [
        ("mnist", (28, 28, 1), 10, 5000),
        ("fashion-mnist", (28, 28, 1), 10, 12000),
        ("flowers", (16, 16, 3), 17, 1360),
        pytest.param("cifar10", (32, 32, 3), 10, 60000, marks=pytest.mark.slow),
    ],
)
def test_prepared_sets(data, name, shape, classes, total):
    loaded = images.load_images(name, [data / file for file in images.source(name).files])
    assert (loaded.image_shape, loaded.classes) == (shape, classes)
    assert sum(part.labels.size for part in (loaded.train, loaded.validation, loaded.test)) == total
    if name == "cifar10":
        np.testing.assert_allclose(loaded.mean, [0.4913, 0.4821, 0.4465], atol=2e-3)
    jax.tree.map(lambda x: x.block_until_ready(), loaded)
