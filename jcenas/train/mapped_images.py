"""A user's images that memory has no room for: brought to a mapped file in pieces, and found there the next time.

What a file is made of is known by the names, sizes and times of the user's files, so that they are not read again.
"""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jcenas.errors import InputError
from jcenas.train import image_folder, pixel_file
from jcenas.train.image_arrays import Arrays, image_array, label_array
from jcenas.train.image_folder import FolderScan

PIECE_BYTES = 64 * 2**20  # of an archive's array that are in memory at once


class Read(NamedTuple):
    """What was read, on disk."""

    parts: dict[str, Arrays]
    left_out: dict[str, str]
    digest: str


class _Rows(NamedTuple):
    """The writer as `image_folder.read_pixels` sees it: a place for one image after the other."""

    writer: pixel_file.PixelWriter

    def append(self, image: np.ndarray) -> None:
        self.writer.append(image[None])

    def array(self) -> np.ndarray:
        return self.writer.written()


def of_folder(folder: Path, found: FolderScan, side: int) -> Read:
    """The images of a folder of class folders, as `image_folder.read_pixels` gives them, but mapped.

    Raises:
        InputError: there is no room on the disk.
    """
    files = [(f.part, f.label, str(f.path), f.path.stat().st_size, f.path.stat().st_mtime_ns) for f in found.files]
    key = pixel_file.key_of("folder", str(found.root), side, found.classes, sorted(found.left_out), files)
    if (stored := pixel_file.find(folder, key)) is not None:
        return Read(stored.parts, stored.about["left_out"], stored.about["digest"])
    pixel_file.make_space(folder, len(found.files) * side**2 * image_folder.channels(found), str(found.root))
    with pixel_file.PixelWriter(folder, key) as writer:
        parts, left_out, digest = image_folder.read_pixels(found, side, _Rows(writer))
        return _kept(folder, key, writer, Read(parts, left_out, digest))


def of_archive(folder: Path, path: Path, keys: Mapping[str, tuple[str, str]], digest_of: Any) -> Read:
    """The images of an archive FILE.npz, uint8 (N, H, H, C) each, mapped.

    Args:
        folder: of the mapped files.
        path: of the archive.
        keys: names of the arrays of images and of labels, by part.
        digest_of: parts -> their digest.

    Raises:
        InputError: what `image_arrays` refuses, or there is no room on the disk.
    """
    status = path.stat()
    key = pixel_file.key_of("archive", str(path), status.st_size, status.st_mtime_ns, dict(keys))
    if (stored := pixel_file.find(folder, key)) is not None:
        return Read(stored.parts, {}, stored.about["digest"])
    with zipfile.ZipFile(path) as archive:
        needed = sum(archive.getinfo(f"{x}.npy").file_size for x, _ in keys.values())
        pixel_file.make_space(folder, needed, str(path))
        with np.load(path, allow_pickle=False) as file, pixel_file.PixelWriter(folder, key) as writer:
            ranges, labels, first = {}, {}, 0
            for part, (x, y) in keys.items():
                where = f"{path} ({part})" if len(keys) > 1 else str(path)
                count = 0
                for piece in _pieces(archive, x, where):
                    images = image_array(piece, where)
                    if writer.image_shape not in ((), images.shape[1:]):
                        raise InputError(f"{path}: the parts hold images of different shapes; bring them to one")
                    writer.append(images)
                    count += len(images)
                ranges[part], labels[part] = (first, first + count), label_array(file[y], count, where)
                first += count
            pixels = writer.written()
            parts = {part: (pixels[a:b], labels[part]) for part, (a, b) in ranges.items()}
            return _kept(folder, key, writer, Read(parts, {}, digest_of(parts)))


def _kept(folder: Path, key: str, writer: pixel_file.PixelWriter, read: Read) -> Read:
    """The same images under the file's last name; the parts lie one after the other."""
    ranges, first = {}, 0
    for part, (_, labels) in read.parts.items():
        ranges[part] = (first, first + len(labels))
        first += len(labels)
    if not first:
        return read
    labels = np.concatenate([labels for _, labels in read.parts.values()])
    writer.keep(ranges, labels, {"left_out": read.left_out, "digest": read.digest})
    stored = pixel_file.find(folder, key)
    if stored is None:
        raise InputError(f"{folder}: what was written there reads back otherwise; check the disk")
    return read._replace(parts=stored.parts)


def _pieces(archive: zipfile.ZipFile, name: str, where: str) -> Iterator[np.ndarray]:
    """An array of an archive, some of its rows at a time."""
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        header: Any = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            header = np.lib.format.read_array_header_2_0
        shape, columns_first, dtype = header(file)
        if dtype.hasobject:
            raise InputError(f"{where} holds pickled Python objects, which are not read; save plain arrays")
        if columns_first and len(shape) > 1:
            raise InputError(f"{where}: {name} is in Fortran order; save numpy.ascontiguousarray of it")
        if len(shape) not in (3, 4):
            raise InputError(f"{where}: images of shape {shape}; (N, H, W) or (N, H, W, C) is wanted")
        if 0 in shape:
            raise InputError(f"{where}: there are no images (shape {shape})")
        row = int(np.prod(shape[1:])) * dtype.itemsize
        rows = max(1, PIECE_BYTES // row)
        for first in range(0, shape[0], rows):
            count = min(rows, shape[0] - first)
            yield np.frombuffer(file.read(count * row), dtype).reshape(count, *shape[1:])
