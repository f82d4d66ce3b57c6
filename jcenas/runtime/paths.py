"""Where a file that is not there yet would be written."""

import os
from pathlib import Path


def nearest_above(path: Path) -> Path:
    """The nearest of the folders above a path that exists; a file where one stands in the place of a folder."""
    return next(above for above in path.parents if above.exists())


def is_writable(folder: Path) -> bool:
    """Whether this user may make files in it; False of what is no folder."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
