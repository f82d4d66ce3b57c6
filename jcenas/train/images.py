"""Image sets: read, split with a fixed seed, and lay on the device once.

The search sees train and validation; test is for the one report at the end. Pixels stay uint8 on the device and are
scaled inside the jitted step, so a set costs its own size and no copy per batch.
"""

import dataclasses
import importlib.util
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas import registry
from jcenas.errors import InputError
from jcenas.train.image_arrays import Arrays, checked_parts

Augmentation = Literal["shift", "shift-flip"]
_COUNTED = 2**20  # pixels that are counted at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Where a set comes from and how it may be augmented.

    Attributes:
        files: names below the data folder; empty for sets that ship with a dependency.
        flip: whether a mirrored image is still of its class.
        validation: share of the training images that is held out for the search.
        test: share of all images held out for the report, where the source has no test set of its own.
    """

    files: tuple[str, ...] = ()
    flip: bool = False
    validation: float = 0.2
    test: float = 0.2


def source(name: str) -> ImageSource:
    """What the registry knows of a set.

    Raises:
        InputError: unknown name.
    """
    fields = {field.name for field in dataclasses.fields(ImageSource)}
    options = registry.check("images", name).entry.options
    return ImageSource(**{key: value for key, value in options.items() if key in fields})


class Split(struct.PyTreeNode):
    """N images of one part of a set."""

    images: jax.Array  # (N, H, W, C) uint8
    labels: jax.Array  # (N,) int32


class ImageSet(struct.PyTreeNode):
    """A data set, ready for training. Pixels are normalised as (x / 255 - mean) / deviation per channel."""

    train: Split
    validation: Split
    test: Split
    mean: jax.Array  # (C,) float32, of the training part
    deviation: jax.Array  # (C,) float32, of the training part
    classes: int = struct.field(pytree_node=False)
    flip: bool = struct.field(pytree_node=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def load_images(name: str, files: list[Path], *, seed: int = 0) -> ImageSet:
    """Read an image set and split it; the same seed gives the same split on every machine.

    Args:
        name: of the registry.
        files: the resolved paths of `source(name).files`, in their order.
        seed: of the split.

    Raises:
        InputError: unknown name, or a file that does not hold what its name promises.
    """
    return split_parts(read_parts(name, files), source(name), seed=seed)


def read_parts(name: str, files: list[Path]) -> dict[str, Arrays]:
    """The parts of an image set as its reader gives them, on the host; arguments and errors as of `load_images`."""
    read = registry.load("images", name)
    try:
        return read(*files)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        where = ", ".join(str(f) for f in files)
        raise InputError(f"{where}: not a readable '{name}' image file ({error}); import it again") from error


def image_set(
    images: Any,
    labels: Any,
    *,
    validation: float | tuple[Any, Any] = 0.2,
    test: float | tuple[Any, Any] = 0.2,
    flip: bool = False,
    seed: int = 0,
) -> ImageSet:
    """Make an image set of arrays; the same seed gives the same split.

    Args:
        images: (N, H, H) or (N, H, H, C), C of 1 or 3; integers in 0..255 or floats in [0, 1].
        labels: (N,) integers from 0 without gaps.
        validation: share of the training images that is held out for the search, or images and labels of their own.
        test: share of all images that is held out for the report, or images and labels of their own.
        flip: whether a mirrored image is still of its class.
        seed: of the split, which keeps the classes' shares.

    Raises:
        InputError: arrays of another form, one class only, or too few images of a class.
    """
    parts, shares = {"train": (images, labels)}, {}
    for part, given in (("validation", validation), ("test", test)):
        if isinstance(given, tuple):
            parts[part] = given
        elif 0 < given < 1:
            shares[part] = given
        else:
            raise InputError(f"{part} {given}: must be a share between 0 and 1, or a pair of images and labels")
    return split_parts(checked_parts(parts, "images"), ImageSource(flip=flip, **shares), seed=seed)


def split_parts(parts: Mapping[str, Arrays], facts: ImageSource, *, seed: int = 0) -> ImageSet:
    """Lay checked parts on the device; a test and a validation part that are not there are held out of "train"."""
    found = {}
    for part, (source, rows) in split_rows({part: y for part, (_, y) in parts.items()}, facts, seed=seed).items():
        images, labels = parts[source]
        found[part] = (images, labels) if rows is None else (images[rows], labels[rows])
    mean, deviation = moments(found["train"][0])
    device = {p: Split(images=jnp.asarray(x), labels=jnp.asarray(y, jnp.int32)) for p, (x, y) in found.items()}
    return ImageSet(
        **device,
        mean=jnp.asarray(mean),
        deviation=jnp.asarray(deviation),
        classes=int(max(y.max() for _, y in parts.values())) + 1,
        flip=facts.flip,
    )


def split_rows(
    labels: Mapping[str, np.ndarray], facts: ImageSource, *, seed: int = 0
) -> dict[str, tuple[str, np.ndarray | None]]:
    """Where the images of each part are: part -> (given part, its rows, None for all as they are).

    Args:
        labels: (N,) of each part that is given; "all" is another name of "train".
        facts: the shares that are held out of "train" for the parts that are not given.
        seed: of the split.
    """
    generator = np.random.default_rng(seed)
    found: dict[str, tuple[str, np.ndarray | None]] = {
        "train" if part == "all" else part: (part, None) for part in labels
    }
    for part, share in (("test", facts.test), ("validation", facts.validation)):
        if part not in found:
            given, rows = found["train"]
            rows = np.arange(len(labels[given])) if rows is None else rows
            kept, out = _hold_out(labels[given][rows], share, generator)
            found["train"], found[part] = (given, rows[kept]), (given, rows[out])
    return found


def read_digits() -> dict[str, Arrays]:
    """The 1,797 digits of scikit-learn, 8x8, one part."""
    package = importlib.util.find_spec("sklearn")
    file = Path(str(package and package.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():  # the file that load_digits reads, without a second of imports
        rows = np.loadtxt(file, delimiter=",")
        pixels, labels = rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
    else:
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        pixels, labels = digits.images, digits.target
    return {"all": (np.round(pixels * (255 / 16)).astype(np.uint8)[..., None], labels)}


def read_mnist(path: Path) -> dict[str, Arrays]:
    """An archive with images `x` and labels `y`, one part."""
    with np.load(path) as f:
        return {"all": (_image_array(f, "x"), _array(f, "y"))}


def read_train_test(path: Path) -> dict[str, Arrays]:
    """An archive with images `x_train`, `x_test` and, if it has them, `x_val`, and labels `y_...`."""
    with np.load(path) as f:
        parts = {p: (_image_array(f, f"x_{p}"), _array(f, f"y_{p}")) for p in ("train", "test")}
        if "x_val" in f:
            parts["validation"] = (_image_array(f, "x_val"), _array(f, "y_val"))
    return parts


def read_cifar10(train: Path, test: Path) -> dict[str, Arrays]:
    """Two archives of JPEG files, for training and for the test."""
    return {"train": _read_jpeg(train), "test": _read_jpeg(test)}


def _read_jpeg(path: Path) -> Arrays:
    from PIL import Image

    with np.load(path) as f:
        stream, offsets, labels = f["jpeg"], f["offsets"], f["labels"]
    first = np.asarray(Image.open(io.BytesIO(stream[offsets[0] : offsets[1]].tobytes())))
    images = np.empty((len(labels), *first.shape), np.uint8)
    for i in range(len(labels)):
        images[i] = np.asarray(Image.open(io.BytesIO(stream[offsets[i] : offsets[i + 1]].tobytes())))
    return images, labels


def _array(file, name: str) -> np.ndarray:
    return np.asarray(file[name]).reshape(-1)


def _image_array(file, name: str) -> np.ndarray:
    images = np.asarray(file[name])
    return images[..., None] if images.ndim == 3 else images


def moments(images: np.ndarray, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and deviation by which pixels are divided, of pixels / 255 of each channel, float32 (C,) both.

    By counting values: neither a copy of the images nor all of them in memory.

    Args:
        images: uint8 (N, H, W, C).
        rows: of the images that count; all if None.
    """
    channels, values, n = images.shape[-1], np.arange(256) / 255, len(images if rows is None else rows)
    counts = np.zeros((channels, 256), np.int64)
    together = max(1, _COUNTED // (images.shape[1] * images.shape[2]))
    for first in range(0, n, together):
        which = slice(first, first + together)
        part = images[which if rows is None else rows[which]]
        for channel in range(channels):
            counts[channel] += np.bincount(part[..., channel].ravel(), minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    deviation = np.sqrt(np.sum(shares * (values - mean[:, None]) ** 2, axis=1))
    return mean.astype(np.float32), (deviation + 1e-6).astype(np.float32)


def _hold_out(labels: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows kept and held out: of every class a share, so that small sets keep their balance; of two, at least one."""
    order = generator.permutation(len(labels))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        held[members[: min(max(round(share * len(members)), 1), len(members) - 1)]] = True
    return order[~held[order]], order[held[order]]
