"""A folder of class folders as arrays: any formats that PIL reads, any sizes and modes.

    ROOT/cats/*.jpg  ROOT/dogs/*.png   or   ROOT/train/cats/...  ROOT/test/cats/...  and perhaps ROOT/val/cats/...

Classes are the folders' names in sorted order; folders below them belong to them; names that begin with a dot are
ignored. Images become grey where the files of all are (by their mode), else RGB; what is transparent becomes white; the
camera's orientation is followed; several frames count as the first; a side that is not the wanted one is resized, not
cropped.
"""

import collections
import hashlib
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageOps

from jcenas.errors import InputError
from jcenas.runtime.process import cpu_count
from jcenas.train.image_arrays import PARTS, Arrays

MOST_SIDE = 64  # of the default
MOST_FILE_BYTES = 2**29
_PART_FOLDERS = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
_NOT_IMAGES = {"thumbs.db", "desktop.ini", "__macosx"}
_MOST_AHEAD, _MOST_AHEAD_BYTES = 1024, 128 * 2**20  # files, or their pixels, that are decoded ahead
_GREY = {"1", "L", "LA", "La", "I", "F"}


class Pixels(Protocol):
    """A place for images uint8 (H, W, C), one after the other."""

    def append(self, image: np.ndarray) -> None:
        """Put the next one there."""
        ...

    def array(self) -> np.ndarray:
        """All of them, (N, H, W, C)."""
        ...


class Scanned(NamedTuple):
    """An image file whose header could be read."""

    part: str
    label: int
    path: Path
    size: tuple[int, int]  # width, height
    grey: bool


class FolderScan(NamedTuple):
    """What a folder holds, before any pixel is read."""

    root: Path
    classes: tuple[str, ...]
    files: tuple[Scanned, ...]
    left_out: dict[str, str]  # file below the root -> why
    beside: int  # files that lie beside the class folders


class _InMemory:
    """Images in an array."""

    def __init__(self, shape: tuple[int, int, int, int]):
        self._images, self._count = np.empty(shape, np.uint8), 0

    def append(self, image: np.ndarray) -> None:
        self._images[self._count] = image
        self._count += 1

    def array(self) -> np.ndarray:
        return self._images[: self._count]


def scan(root: Path) -> FolderScan:
    """Find classes and files, and read the files' headers.

    Raises:
        InputError: no class folders, or not the same ones in each part.
    """
    parts = _parts(root)
    classes = {part: tuple(sorted(path.name for path in _folders(folder))) for part, folder in parts.items()}
    names = classes["train"]
    if not names:
        raise InputError(f"{root} has no class folders; put the images of each class into a folder of its name")
    for part, others in classes.items():
        if odd := sorted(set(names) ^ set(others)):
            has, lacks = ("train", part) if odd[0] in names else (part, "train")
            raise InputError(f"{root}: class {odd[0]!r} is in {has} and not in {lacks}; give both the same classes")
    files, left_out = [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for part, folder in parts.items():
            for label, name in enumerate(names):
                for path in _files_below(folder / name):
                    try:
                        files.append(_header(part, label, path))
                    except Exception as error:  # whatever a decoder raises on a damaged file
                        left_out[_shown(path, root)] = _reason(error)
    beside = sum(1 for folder in {root, *parts.values()} for path in _visible(folder) if path.is_file())
    return FolderScan(root, names, tuple(files), left_out, beside)


def usual_side(found: FolderScan) -> int:
    """The shorter side of the most common size, at most `MOST_SIDE`; the smaller of equally common ones."""
    counts = collections.Counter(file.size for file in found.files)
    size, _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return min(*size, MOST_SIDE)


def channels(found: FolderScan) -> int:
    """1 where all files are grey, else 3."""
    return 1 if all(file.grey for file in found.files) else 3


def read_pixels(
    found: FolderScan, side: int, pixels: Pixels | None = None
) -> tuple[dict[str, Arrays], dict[str, str], str]:
    """Decode all files: arrays by part, what was left out and why, and the SHA-256 of names and bytes.

    Args:
        found: the files, those of a part together.
        side: to which images are resized.
        pixels: where they are put; an array in memory if None.
    """
    grey, left_out = channels(found) == 1, dict(found.left_out)
    pixels = _InMemory((len(found.files), side, side, 1 if grey else 3)) if pixels is None else pixels
    digest, kept = hashlib.sha256(), []
    for file, (sha, image) in zip(found.files, _decoded(found, side, grey), strict=True):
        name = str(file.path.relative_to(found.root))
        digest.update(f"{name}\0{sha}\0".encode(errors="surrogateescape"))
        if isinstance(image, str):
            left_out[_shown(file.path, found.root)] = image
        else:
            pixels.append(image)
            kept.append(file)
    digest.update(f"{side} {grey} {sorted(left_out)}".encode(errors="surrogateescape"))
    labels, images = np.array([file.label for file in kept], np.int32), pixels.array()
    places = np.array([PARTS.index(file.part) for file in kept])
    parts = {}
    for place, part in enumerate(PARTS):
        rows = np.flatnonzero(places == place)
        if len(rows):  # one after the other, as `scan` found them: a slice, not a copy
            parts[part] = (images[rows[0] : rows[-1] + 1], labels[rows[0] : rows[-1] + 1])
    return parts, left_out, digest.hexdigest()


def _decoded(found: FolderScan, side: int, grey: bool) -> Iterator[tuple[str, np.ndarray | str]]:
    """`_decode` of every file, by all cores, of so many files ahead that their pixels stay few."""
    ahead = max(1, min(_MOST_AHEAD, _MOST_AHEAD_BYTES // (side * side * (1 if grey else 3))))
    with warnings.catch_warnings(), ThreadPoolExecutor(cpu_count()) as pool:
        warnings.simplefilter("ignore")
        for first in range(0, len(found.files), ahead):
            yield from pool.map(lambda file: _decode(file.path, side, grey), found.files[first : first + ahead])


def _parts(root: Path) -> dict[str, Path]:
    """The folder of each part; only "train", the root itself, where the folders are classes."""
    folders = _folders(root)
    named = {_PART_FOLDERS.get(folder.name.lower()): folder for folder in folders}
    if "train" not in named or not _folders(named["train"]):
        return {"train": root}
    if None in named or len(named) < len(folders):
        others = ", ".join(folder.name for folder in folders if folder != named["train"])
        raise InputError(
            f"{root} has train/ and {others}; beside train/ leave only test/ and val/, or class folders only"
        )
    return {str(part): named[part] for part in PARTS if part in named}


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without hidden files."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}); allow reading it, or take it out") from error
    return [folder / name for name in names if not name.startswith(".") and name.lower() not in _NOT_IMAGES]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _files_below(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_file():
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _files_below(path)


def _header(part: str, label: int, path: Path) -> Scanned:
    if (size := path.stat().st_size) > MOST_FILE_BYTES:
        raise ValueError(f"{size / 2**20:.0f} MiB are too many for an image")
    with Image.open(path) as image:
        grey = image.mode in _GREY or image.mode.startswith("I;")
        if image.mode in ("P", "PA"):
            colours = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
            grey = bool((colours == colours[:, :1]).all())
        return Scanned(part, label, path, image.size, grey)


def _decode(path: Path, side: int, grey: bool) -> tuple[str, np.ndarray | str]:
    """SHA-256 of a file, and its pixels (side, side, C) or why there are none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return "", _reason(error)
    sha = hashlib.sha256(content).hexdigest()
    try:
        with Image.open(BytesIO(content)) as image:
            image.draft(image.mode, (2 * side, 2 * side))  # JPEG: decode large pictures at a fraction of their size
            upright = _plain(ImageOps.exif_transpose(image)).convert("L" if grey else "RGB")
            if upright.size != (side, side):
                upright = upright.resize((side, side), Image.Resampling.BILINEAR)
            return sha, np.asarray(upright).reshape(side, side, -1)
    except Exception as error:  # whatever a decoder raises on a damaged file
        return sha, _reason(error)


def _plain(image: Image.Image) -> Image.Image:
    """An image of eight bits a channel, without transparency."""
    if image.mode.startswith("I"):  # sixteen bits, which `convert` would cut off at 255
        return Image.fromarray(np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("floats outside [0, 1]")
        return Image.fromarray(np.round(255 * values).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image


def _shown(path: Path, root: Path) -> str:
    """A file's name below the root on one line, whatever characters it has."""
    return repr(str(path.relative_to(root)))[1:-1]


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "no image"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
