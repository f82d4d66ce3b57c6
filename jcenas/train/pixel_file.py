"""Decoded images in a file that is mapped into memory: written once, in pieces, and found again by a key.

    FOLDER/KEY/  pixels.u8 (uint8, N x H x W x C)  labels.npy  about.json

A mapped file costs no memory that the system cannot take back. Damaged files, and files of an interrupted writing, are
never used: a folder gets its name when it is whole, and its pixels are checked by their SHA-256. What nobody has used
for a month is deleted when something new is written, and where the disk is full, also what was not used today.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from jcenas.errors import InputError
from jcenas.runtime.paths import nearest_above
from jcenas.train.image_arrays import Arrays

UNUSED_DAYS = 30.0  # after which images are deleted
_PIXELS, _LABELS, _ABOUT = "pixels.u8", "labels.npy", "about.json"
_DAY_S = 86400.0


class Stored(NamedTuple):
    """Images of a file."""

    parts: dict[str, Arrays]  # by part; the pixels are mapped, and cannot be written
    about: dict[str, Any]  # what the writer noted


class Kept(NamedTuple):
    """A folder of images, or what an interrupted writing left of one."""

    place: Path
    size_bytes: int
    unused_days: float


def cache_folder() -> Path:
    """Where the images of all runs lie."""
    return Path(platformdirs.user_cache_dir("jcenas")) / "images"


def listing(folder: Path) -> list[Kept]:
    """All that lies in a folder of images, the longest unused first."""
    found = []
    for place in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another process may delete it
            own, files = place.stat(), [path.stat() for path in place.glob("*")]
            used = max(status.st_mtime for status in (own, *files))
            found.append(Kept(place, sum(status.st_size for status in files), (time.time() - used) / _DAY_S))
    return sorted(found, key=lambda one: -one.unused_days)


def key_of(*facts: Any) -> str:
    """A name for what an image file is made of: SHA-256 of the facts as text, shortened."""
    return hashlib.sha256(repr(facts).encode(errors="surrogateescape")).hexdigest()[:32]


def find(folder: Path, key: str) -> Stored | None:
    """The images of a key; None where there are none, or where the file is damaged."""
    place = folder / key
    try:
        about = json.loads((place / _ABOUT).read_text())
        shape = tuple(about["shape"])
        if (place / _PIXELS).stat().st_size != np.prod(shape):
            return None
        with (place / _PIXELS).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != about["sha256"]:
                return None
        labels = np.load(place / _LABELS)
        pixels = _mapped(place / _PIXELS, shape)
        with contextlib.suppress(OSError):  # where the folder is another's
            os.utime(place / _ABOUT)  # used now
        parts = {part: (pixels[a:b], labels[a:b]) for part, (a, b) in about["parts"].items()}
        return Stored(parts, about["noted"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_space(folder: Path, needed: int, what: str) -> None:
    """Delete what nobody has used for long, and refuse what the disk then has no room for.

    Images that a running search has mapped stay readable to it until it ends.

    Args:
        folder: of the images.
        needed: bytes.
        what: is to be written, for the message.

    Raises:
        InputError: says how much is needed, and where.
    """
    nearest = nearest_above(folder / "file")
    for kept in listing(folder):
        full = shutil.disk_usage(nearest).free < needed
        if kept.unused_days > UNUSED_DAYS or (kept.unused_days > 1 and (full or kept.place.name.startswith("."))):
            shutil.rmtree(kept.place, ignore_errors=True)
    free = shutil.disk_usage(nearest).free
    if needed > free:
        raise InputError(
            f"{what}: its pixels take {needed / 2**30:.3g} GiB in {folder}, where {free / 2**30:.3g} GiB are free; "
            "free the disk, set XDG_CACHE_HOME to a folder of another one, or take fewer or smaller images"
        )


class PixelWriter:
    """Writes the images of a key; a context, at whose end what was not kept is gone."""

    def __init__(self, folder: Path, key: str):
        """Begin a folder of another name.

        Raises:
            InputError: nothing can be written there.
        """
        self._place = folder / key
        self._part = folder / f".{key}.{secrets.token_hex(4)}.part"
        self._digest, self._count, self._shape = hashlib.sha256(), 0, ()
        try:
            self._part.mkdir(parents=True)
            self._file = (self._part / _PIXELS).open("wb")
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> "PixelWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def append(self, images: np.ndarray) -> None:
        """Write images uint8 (n, H, W, C), all of one shape.

        Raises:
            InputError: the disk refuses.
        """
        assert images.dtype == np.uint8
        assert self._shape in ((), images.shape[1:]), "images of one shape"
        self._shape, data = images.shape[1:], np.ascontiguousarray(images).data
        try:
            self._file.write(data)
        except OSError as error:
            raise self._refused(error) from error
        self._digest.update(data)
        self._count += len(images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of what was written; () before."""
        return self._shape

    def written(self) -> np.ndarray:
        """All images so far, uint8 (N, H, W, C), mapped."""
        self._file.flush()
        if not self._count:
            return np.zeros((0, *self._shape), np.uint8)
        return _mapped(self._part / _PIXELS, (self._count, *self._shape))

    def keep(self, parts: Mapping[str, tuple[int, int]], labels: np.ndarray, noted: dict[str, Any]) -> None:
        """Give the whole folder its name.

        Args:
            parts: first row, and the one after the last, of each part.
            labels: of all images, int32 (N,).
            noted: to be found again with the images, JSON values.

        Raises:
            InputError: the disk refuses.
        """
        about = {
            "shape": [self._count, *self._shape],
            "sha256": self._digest.hexdigest(),
            "parts": {part: list(rows) for part, rows in parts.items()},
            "noted": noted,
        }
        try:
            self._file.close()
            np.save(self._part / _LABELS, labels)
            (self._part / _ABOUT).write_text(json.dumps(about))
            shutil.rmtree(self._place, ignore_errors=True)  # damaged: whoever writes has looked there before
            self._part.rename(self._place)
        except OSError as error:
            if not self._place.exists():  # else another process was quicker
                raise self._refused(error) from error

    def _refused(self, error: OSError) -> InputError:
        why = error.strerror or str(error)
        return InputError(
            f"{self._place.parent}: the images cannot be kept there ({why}); set XDG_CACHE_HOME to "
            "a folder with room for them"
        )


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.memmap(path, np.uint8, "r", shape=shape))
