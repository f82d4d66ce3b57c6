"""A user's own images: an archive FILE.npz, or a folder of class folders (`jcenas.train.image_folder`).

FILE.npz holds images `x` and labels `y`, or `x_train`, `y_train`, `x_test`, `y_test` and perhaps `x_val`, `y_val`, in
the forms that `jcenas.train.image_arrays` takes. Pickled objects are not read.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jcenas.errors import InputError, without_breaks
from jcenas.runtime.archive import UNREADABLE
from jcenas.train.image_arrays import MANY_CLASSES, Arrays, checked_parts

_NAMES_SHOWN = 3
_KEYS = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "validation": ("x_val", "y_val")}


class OwnImages(NamedTuple):
    """A user's images on the host, checked."""

    parts: dict[str, Arrays]  # "train", and perhaps "validation" and "test", which else are held out of it
    classes: tuple[str, ...]  # names by label; empty where there are only numbers
    left_out: dict[str, str]  # file -> why
    digest: str  # of names and bytes, or of the arrays: the same only for the same images
    notes: tuple[str, ...]  # what the user should know, a line each
    mapped: bool = False  # whether the pixels are in a file that is mapped, not in memory


def is_own(text: str) -> bool:
    """Whether a text is meant as a path, and not as the name of a set."""
    return text.endswith(".npz") or "/" in text or os.sep in text or os.path.exists(text)


def read_own(
    path: Path, *, size: int | None = None, limit_bytes: float = float("inf"), overflow: Path | None = None
) -> OwnImages:
    """Read a user's images, whole or not at all.

    Args:
        path: an archive, or a folder.
        size: side to which the images of a folder are resized; the most common one, at most 64, if None.
        limit_bytes: of the pixels.
        overflow: folder for those that take more, in a file that is mapped; None: they are refused.

    Raises:
        InputError: what cannot be used, in one line that says what to do.
    """
    if os.path.isdir(path):
        return _read_folder(path, size, limit_bytes, overflow)
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file or folder of images")
    if size is not None:
        raise InputError(f"--image-size {size}: only the images of a folder are resized; {path} is a file")
    return _read_archive(path, limit_bytes, overflow)


def digest_of(parts: Mapping[str, Arrays]) -> str:
    """SHA-256 of the parts' images and labels."""
    digest = hashlib.sha256()
    for part, arrays in sorted(parts.items()):
        for array in arrays:
            digest.update(f"{part} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_folder(root: Path, size: int | None, limit_bytes: float, overflow: Path | None) -> OwnImages:
    from jcenas.train import image_folder, mapped_images

    found = image_folder.scan(root)
    if not found.files:
        raise InputError(f"{root}: no file in its class folders is an image{_such_as(found.left_out)}")
    side, channels = size or image_folder.usual_side(found), image_folder.channels(found)
    needed = len(found.files) * side**2 * channels
    mapped = overflow is not None and needed > limit_bytes
    if overflow is not None and mapped:
        parts, left_out, digest = mapped_images.of_folder(overflow, found, side)
    else:
        what = f"{root}: {len(found.files)} images of {side} x {side}"
        _check_room(needed, limit_bytes, what, "take a smaller --image-size or fewer images")
        parts, left_out, digest = image_folder.read_pixels(found, side)
    if "train" not in parts:
        raise InputError(f"{root}: no file for training is an image{_such_as(left_out)}")
    try:
        parts = checked_parts(parts, str(root), found.classes)
    except InputError as error:
        raise InputError(f"{error}{_such_as(left_out)}") from error
    notes = []
    if left_out:
        total = len(found.files) + len(found.left_out)
        notes.append(f"{root}: {len(left_out)} of {total} files left out: {_some(left_out)}")
    if found.beside:
        notes.append(f"{root}: {found.beside} files beside the class folders are not used")
    notes = (*notes, *_mapped_note(mapped, root, needed, overflow), *_many(len(found.classes), root))
    return OwnImages(parts, found.classes, left_out, digest, notes, mapped)


def _read_archive(path: Path, limit_bytes: float, overflow: Path | None) -> OwnImages:
    from jcenas.train import mapped_images

    digest = None
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        keys = _keys(path, sizes)
        needed = sum(sizes[key] for pair in keys.values() for key in pair)
        mapped = overflow is not None and needed > limit_bytes
        if overflow is not None and mapped:
            parts, _, digest = mapped_images.of_archive(overflow, path, keys, digest_of)
        else:
            _check_room(needed, limit_bytes, str(path), "save uint8, fewer images or smaller ones")
            with np.load(path, allow_pickle=False) as file:
                parts = {part: (file[x], file[y]) for part, (x, y) in keys.items()}
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory; save fewer images or smaller ones") from error
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise InputError(f"{path} holds pickled Python objects, which are not read; save plain arrays") from error
        said = without_breaks(error) or type(error).__name__
        raise InputError(f"{path}: not a readable .npz file ({said}); save it again with numpy.savez") from error
    parts = checked_parts(parts, str(path))
    classes = int(max(labels.max() for _, labels in parts.values())) + 1
    notes = (*_mapped_note(mapped, path, needed, overflow), *_many(classes, path))
    return OwnImages(parts, (), {}, digest or digest_of(parts), notes, mapped)


def _keys(path: Path, held: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Names of the arrays of each part."""
    if "x" in held and "y" in held:
        return {"train": ("x", "y")}
    wanted = {part: pair for part, pair in _KEYS.items() if part == "train" or any(key in held for key in pair)}
    missing = [key for pair in wanted.values() for key in pair if key not in held]
    if missing:
        there = ", ".join(sorted(held)) or "none"
        raise InputError(
            f"{path} has no array {missing[0]!r} (it has {there}); images x and labels y are wanted, or x_train, "
            "y_train, x_test, y_test"
        )
    return wanted


def _check_room(needed: float, limit: float, what: str, remedy: str) -> None:
    if needed > limit:
        sizes = f"{needed / 2**30:.3g} GiB of images, more than the {limit / 2**30:.3g} GiB that there is room for"
        raise InputError(
            f"{what}: {sizes} (a quarter of the memory); {remedy}, or leave them on the host: --images-on-device no"
        )


def _mapped_note(mapped: bool, path: Path, needed: float, folder: Path | None) -> tuple[str, ...]:
    said = f"{path}: {needed / 2**30:.3g} GiB of images stay on the host, in {folder}, and are read as they are needed"
    return (said,) if mapped else ()


def _many(classes: int, path: Path) -> tuple[str, ...]:
    return (f"{path}: {classes} classes are many; is each label a class?",) if classes > MANY_CLASSES else ()


def _such_as(left_out: Mapping[str, str]) -> str:
    """The end of a message about files that were left out; nothing where there are none."""
    return f"; left out: {_some(left_out)}" if left_out else ""


def _some(left_out: Mapping[str, str]) -> str:
    """The first few of the files that were left out, and why."""
    shown = ", ".join(f"{name} ({why})" for name, why in list(left_out.items())[:_NAMES_SHOWN])
    more = len(left_out) - _NAMES_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")
