"""Images and labels that a user hands over as arrays: checked, and brought to one form. NumPy only.

What comes out: images uint8 (N, H, H, C) with C of 1 (grey) or 3 (colour), labels int32 (N,) from 0 without gaps, at
least two classes, and of every class enough images for every part.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jcenas.errors import InputError

Arrays = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) uint8, labels (N,)
PARTS = ("train", "validation", "test")
MANY_CLASSES = 1000
_TOGETHER = 256  # images that are compared at once


def checked_parts(parts: Mapping[str, tuple[Any, Any]], where: str, names: Sequence[str] = ()) -> dict[str, Arrays]:
    """Parts of a set in one form.

    Args:
        parts: images and labels by part: "train", and perhaps "validation" and "test", which else are held out of it.
        where: what messages name, such as the file.
        names: of the classes, for messages; their numbers if empty.

    Raises:
        InputError: what cannot be used, in one line.
    """
    found = {}
    for part, (images, labels) in parts.items():
        place = f"{where} ({part})" if len(parts) > 1 else where
        pixels = image_array(images, place)
        found[part] = pixels, label_array(labels, len(pixels), place)
    shapes = {part: images.shape[1:] for part, (images, _) in found.items()}
    if len(set(shapes.values())) > 1:
        said = ", ".join(f"{part} {' x '.join(map(str, shape))}" for part, shape in shapes.items())
        raise InputError(f"{where}: the parts hold images of different shapes ({said}); bring them to one")
    _check_classes({part: labels for part, (_, labels) in found.items()}, where, names)
    _check_different(found["train"][0], where)
    return found


def image_array(values: Any, where: str) -> np.ndarray:
    """Images as uint8 (N, H, H, C) of (N, H, H) or (N, H, H, C), integers in 0..255 or floats in [0, 1].

    Raises:
        InputError: another shape or type, or values outside.
    """
    images = _array(values, where, "images")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise InputError(f"{where}: images of shape {images.shape}; (N, H, W) or (N, H, W, C) is wanted")
    if images.size == 0:
        raise InputError(f"{where}: there are no images (shape {images.shape})")
    _, height, width, channels = images.shape
    if channels not in (1, 3):
        if height in (1, 3):
            raise InputError(f"{where}: images of shape {images.shape} have their channels first; move them to the end")
        raise InputError(f"{where}: images of {channels} channels; 1 (grey) or 3 (colour) are wanted")
    if height != width:
        raise InputError(f"{where}: images of {height} x {width}; square ones are wanted: crop or resize them")
    return _pixels(images, where)


def _pixels(images: np.ndarray, where: str) -> np.ndarray:
    kind = images.dtype.kind
    if images.dtype == np.uint8:
        return images
    if kind not in "buif":
        raise InputError(f"{where}: images of type {images.dtype}; uint8, or floats in [0, 1], are wanted")
    if kind == "f" and not np.isfinite(images).all():
        raise InputError(f"{where}: {int((~np.isfinite(images)).sum())} pixels are NaN or infinite; replace them")
    low, high, most = images.min(), images.max(), 255 if kind in "ui" else 1
    if low < 0 or high > most:
        kinds = f"floats in {low:g}..{high:g}, not in 0..1" if kind == "f" else f"integers in {low}..{high}"
        raise InputError(f"{where}: images hold {kinds}; uint8 in 0..255, or floats in [0, 1], are wanted")
    if kind == "f":
        return np.round(images * images.dtype.type(255)).astype(np.uint8)
    return images.astype(np.uint8) * np.uint8(255 // most)


def label_array(values: Any, count: int, where: str) -> np.ndarray:
    """Labels as int32 (N,): whole numbers from 0, one for each of `count` images.

    Raises:
        InputError: another shape, type or number of them.
    """
    labels = _array(values, where, "labels")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(f"{where}: labels of shape {labels.shape}; (N,) is wanted: of one-hot rows, take the argmax")
    if len(labels) != count:
        raise InputError(f"{where}: {count} images and {len(labels)} labels; one label for each image is wanted")
    if labels.dtype.kind not in "buif":
        raise InputError(f"{where}: labels of type {labels.dtype}; integers from 0 are wanted")
    if labels.dtype.kind == "f" and (odd := ~(np.isfinite(labels) & (labels == np.round(labels)))).any():
        raise InputError(f"{where}: label {labels[odd][0]} is not an integer; number the classes from 0")
    if labels.min() < 0:
        raise InputError(f"{where}: label {labels.min():.0f} is negative; number the classes from 0")
    if labels.max() >= 2**31:
        raise InputError(f"{where}: label {labels.max():.0f} is too large; number the classes from 0 without gaps")
    return labels.astype(np.int32)


def _array(values: Any, where: str, what: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {what} are no array ({error}); give them one shape") from error
    if array.dtype == object:
        raise InputError(f"{where}: {what} are Python objects; give plain numbers of one shape")
    return array


def _check_different(images: np.ndarray, where: str) -> None:
    """At least two different images; a set as it should be is told by its first few."""
    for first in range(0, len(images), _TOGETHER):
        if (images[first : first + _TOGETHER] != images[0]).any():
            return
    raise InputError(f"{where}: all images are the same; there is nothing to learn: look at how they were saved")


def _check_classes(labels: Mapping[str, np.ndarray], where: str, names: Sequence[str]) -> None:
    """Labels without gaps, two classes or more, and of each class enough images for the parts."""
    known = np.unique(np.concatenate(list(labels.values())))
    count = len(names) or len(known)
    if not names and known[-1] != len(known) - 1:
        gap = int(np.flatnonzero(known != np.arange(len(known)))[0])
        raise InputError(
            f"{where}: no image has label {gap}, though labels go up to {known[-1]}; number the classes from 0 "
            "without gaps"
        )
    if count < 2:
        raise InputError(f"{where}: all images are of one class; there is nothing to learn: give two or more")
    held_out = [part for part in PARTS if part not in labels]
    for part, numbers in labels.items():
        least = 1 + len(held_out) if part == "train" else 1
        counts = np.bincount(numbers, minlength=count)
        if (counts < least).any():
            worst = int(np.argmin(counts))
            name = repr(names[worst]) if names else str(worst)
            for_whom = f" (one for each of {', '.join(['train', *held_out])})" if least > 1 else f" for {part}"
            raise InputError(f"{where}: class {name} has {counts[worst]} images; it needs {least} or more{for_whom}")
