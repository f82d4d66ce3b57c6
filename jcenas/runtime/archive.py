"""Arrays of a file `.npz` that somebody hands over: read whole, within limits, or refused in one line."""

import os
import pathlib
import stat
import zipfile
import zlib

import numpy as np

from jcenas.errors import InputError, without_breaks

# What reading a damaged archive of arrays raises.
UNREADABLE = OSError, EOFError, ValueError, KeyError, RuntimeError, SyntaxError, zlib.error, zipfile.BadZipFile
MOST_BYTES = 64 << 20  # of all arrays, as they are in memory; policies and forecasters hold less than 1 MiB


def read_arrays(path: str | os.PathLike, *, kind: str, remedy: str, most_bytes: int = MOST_BYTES) -> dict:
    """The arrays of an archive by their names; pickled objects are not read.

    Args:
        path: the file; a pipe or a device is refused, and never waited for.
        kind: what it should be, such as "policy file".
        remedy: what to do where it is none.
        most_bytes: that all arrays together may take.

    Returns:
        Arrays by name.

    Raises:
        InputError: there is no such file, or it is damaged, too large, or no archive of plain arrays.
    """
    try:
        if not stat.S_ISREG(pathlib.Path(path).stat().st_mode):
            raise InputError(f"{path} is no {kind} (a folder, pipe or device); {remedy}")
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
            if size > most_bytes:
                raise InputError(f"{path} is no {kind} (it inflates to {size >> 20} MiB); {remedy}")
            arrays = {}
            for info in archive.infolist():
                with archive.open(info) as member:
                    arrays[info.filename.removesuffix(".npy")] = _array(member, info.file_size)
            return arrays
    except InputError:
        raise
    except UNREADABLE as error:
        said = getattr(error, "strerror", None) or without_breaks(error) or type(error).__name__
        raise InputError(f"{path} is no {kind} ({said}); {remedy}") from error


def _array(member, size: int) -> np.ndarray:
    """One array; its header may not promise more bytes than there are."""
    version = np.lib.format.read_magic(member)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(member)
    if dtype.hasobject:
        raise ValueError("pickled Python objects are not read")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise ValueError(f"an array of shape {shape} is cut short")
    data = member.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} is cut short")
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if fortran else "C").copy()
