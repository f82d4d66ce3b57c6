"""Arrays of images and labels: what is taken, and what is refused, each in one line."""

import re

import numpy as np
import pytest

from jcenas.train import image_set


def test_arrays_are_split_by_class_and_seed(rng, pictures):
    x, y = pictures(rng, 60)
    data = image_set(x, y, seed=3)
    assert (data.classes, data.image_shape, data.flip) == (3, (8, 8, 1), False)
    for part, each in ((data.train, 13), (data.validation, 3), (data.test, 4)):
        assert np.bincount(part.labels).tolist() == [each] * 3
    again, other = image_set(x, y, seed=3), image_set(x, y, seed=4)
    np.testing.assert_array_equal(data.test.images, again.test.images)
    assert not np.array_equal(data.test.images, other.test.images)
    shown = np.concatenate([np.asarray(p.images) for p in (data.train, data.validation, data.test)])
    assert sorted(map(bytes, shown)) == sorted(map(bytes, x))


def test_the_channels_are_scaled_by_the_training_part(rng, pictures):
    data = image_set(*pictures(rng, channels=3))
    pixels = np.asarray(data.train.images).reshape(-1, 3) / 255
    np.testing.assert_allclose(data.mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(data.deviation, pixels.std(0), rtol=1e-5)


def test_floats_and_booleans_become_bytes(rng, pictures):
    x, y = pictures(rng)
    for given in (x / 255, (x / 255).astype(np.float16), x.astype(np.int64)):
        data = image_set(given, y.astype(float), test=(given[:3], y[:3, None]))
        tolerance = 1 if given.dtype == np.float16 else 0
        assert np.abs(np.asarray(data.test.images[..., 0]).astype(int) - x[:3]).max() <= tolerance
    data = image_set(x > 127, y)
    assert set(np.unique(data.train.images)) == {0, 255}


def test_three_images_a_class_are_enough(rng, pictures):
    data = image_set(*pictures(rng, 6, classes=2))
    assert [len(p.labels) for p in (data.train, data.validation, data.test)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, :, :7], y), "images of 8 x 7; square ones are wanted"),
        (lambda x, y: (x[0], y), "images of shape"),
        (lambda x, y: (x[:0], y[:0]), "there are no images"),
        (lambda x, y: (np.repeat(x[..., None], 4, -1), y), "images of 4 channels; 1 .grey. or 3"),
        (lambda x, y: (np.repeat(x[:, None], 3, 1), y), "channels first; move them to the end"),
        (lambda x, y: (np.where(x > 9, np.nan, x / 255), y), "pixels are NaN or infinite"),
        (lambda x, y: (x.astype(float), y), r"floats in 0\..*, not in 0..1|floats in .*, not in 0..1"),
        (lambda x, y: (x.astype(int) - 1, y), "integers in -1..25"),
        (lambda x, y: (x.astype(str), y), "images of type <U"),
        (lambda x, y: (x.astype(object), y), "images are Python objects"),
        (lambda x, y: ([[1], [2, 3]], y), "images are no array"),
        (lambda x, y: (x, y[:-1]), "30 images and 29 labels"),
        (lambda x, y: (x, np.eye(3)[y]), "of one-hot rows, take the argmax"),
        (lambda x, y: (x, y - 1), "label -1 is negative"),
        (lambda x, y: (x, y + 0.5), "label 0.5 is not an integer"),
        (lambda x, y: (x, np.where(y == 1, np.nan, y)), "label nan is not an integer"),
        (lambda x, y: (x, y + 1), "no image has label 0, though labels go up to 3"),
        (lambda x, y: (x, 10**12 * y), "label 2000000000000 is too large"),
        (lambda x, y: (x, y.astype(str)), "labels of type"),
        (lambda x, y: (0 * x + 7, y), "all images are the same; there is nothing to learn"),
        (lambda x, y: (np.broadcast_to(x[:1], x.shape), y), "all images are the same"),
        (lambda x, y: (x, 0 * y), "all images are of one class"),
        (lambda x, y: (x, np.where(np.arange(30) < 2, 2, y % 2)), "class 2 has 2 images; it needs 3 or more .one for"),
    ],
)
def test_bad_arrays(rng, change, message, pictures, refusal):
    assert re.search(message, refusal(image_set, *change(*pictures(rng))))


def test_parts_must_fit_each_other(rng, pictures, refusal):
    x, y = pictures(rng)
    assert "different shapes (train 8 x 8 x 1, test 4 x 4 x 1)" in refusal(image_set, x, y, test=(x[:, :4, :4], y))
    assert "class 2 has 0 images; it needs 1 or more for test" in refusal(image_set, x, y, test=(x[:2], y[:2]))
    assert "must be a share between 0 and 1" in refusal(image_set, x, y, validation=1.5)
