"""The images of a run: named in the registry, the user's own, or handed over; what is recorded of them."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jcenas import registry
from jcenas.errors import ImageSideError, InputError
from jcenas.live.config import ARRAYS, SearchConfig
from jcenas.runtime import memory, sharding
from jcenas.tables.store import locate
from jcenas.train import images, pixel_file
from jcenas.train.host_set import HostSet, host_set
from jcenas.train.images import ImageSet, ImageSource
from jcenas.train.own_images import digest_of, is_own, read_own

SHARE_OF_MEMORY = 0.25  # that images may take; networks, activations and copies take the rest
BETTER_THAN_GUESSING = 0.9  # of the error of a guess: beyond it a network is of no use
_FILES_KEPT = 20  # names of files left out that config.json keeps


@dataclasses.dataclass(frozen=True, eq=False)
class RunImages:
    """Images of a run; equal, and a key, by what they are made of.

    Attributes:
        data: on the device, or on the host where they stay there.
        key: equal only for equal images.
        record: what config.json says of them.
        reference_error: validation error beyond which a network is of no use.
        notes: what the user should know, a line each.
    """

    data: ImageSet | HostSet
    key: tuple[Any, ...]
    record: dict[str, Any]
    reference_error: float
    notes: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunImages) and self.key == other.key

    @property
    def brief(self) -> dict[str, Any]:
        """The record without long lists."""
        return {name: value for name, value in self.record.items() if not isinstance(value, list)}


def load(config: SearchConfig, device: sharding.Device, given: ImageSet | None = None) -> RunImages:
    """The images that a configuration names, or those given.

    Raises:
        InputError: they are missing, damaged, too large or otherwise of no use.
    """
    if given is not None:
        if config.images_on_device == "no":
            raise InputError(
                "--images-on-device no: the images that a program hands over are on the device; save them in a file"
            )
        return _of_arrays(given)
    if config.images == ARRAYS:
        raise InputError(f"--images {ARRAYS}: a Python program hands them over; call search(..., images=...) there")
    limit = SHARE_OF_MEMORY * min(memory.device_bytes(device), memory.host_bytes())
    limit = 0.0 if config.images_on_device == "no" else limit
    if not is_own(config.images):
        if config.image_size is not None:
            raise InputError(f"--image-size {config.image_size}: only the images of a user's folder are resized")
        facts = registry.check("images", config.images).entry.options
        data = _named(config.images, config.seed, math.inf if config.images_on_device == "yes" else limit)
        error = facts.get("reference_error") or _reference_error(data.classes)
        return RunImages(data, (config.images, config.seed, *_place(data)), _record(config.images, data), error)
    overflow = None if config.images_on_device == "yes" else pixel_file.cache_folder()
    own = read_own(Path(config.images), size=config.image_size, limit_bytes=limit, overflow=overflow)
    split = host_set if own.mapped else images.split_parts
    data = split(own.parts, ImageSource(), seed=config.seed)
    record = _record(config.images, data) | {
        "class_names": list(own.classes),
        "left_out": len(own.left_out),
        "left_out_files": [f"{name}: {why}" for name, why in own.left_out.items()][:_FILES_KEPT],
        "sha256": own.digest,
    }
    key = (config.images, config.seed, own.digest, *_place(data))
    return RunImages(data, key, record, _reference_error(data.classes), own.notes)


def check_same(record: dict[str, Any] | None, found: RunImages) -> None:
    """Refuse to go on with other images than those that a run began with.

    Args:
        record: of config.json; None in the folders of old versions, which knew named sets only.
        found: what there is now.

    Raises:
        InputError: they differ.
    """
    before = (record or {}).get("sha256")
    if before != found.record.get("sha256"):
        raise InputError(
            f"{found.record['source']}: these are not the images that the run began with (names, sizes or contents "
            "differ); put those back, or start a new run under another --name"
        )


@contextlib.contextmanager
def fitting(problem: str, images: RunImages) -> Iterator[None]:
    """A block that makes networks for the images.

    Raises:
        InputError: the networks of that problem do not take images of their sides; says what to do.
    """
    try:
        yield
    except ImageSideError as error:
        remedy = "--image-size N resizes them" if images.record.get("class_names") else "pad, crop or resize them"
        raise InputError(f"--problem {problem}, --images {images.record['source']}: {error}; {remedy}") from error


@functools.lru_cache(maxsize=2)
def _named(name: str, seed: int, limit_bytes: float) -> ImageSet | HostSet:
    """A set of the registry, on the host where it takes more than so many bytes."""
    facts = images.source(name)
    parts = images.read_parts(name, [locate(file) for file in facts.files])
    split = host_set if sum(pixels.nbytes for pixels, _ in parts.values()) > limit_bytes else images.split_parts
    return split(parts, facts, seed=seed)


def _place(data: ImageSet | HostSet) -> tuple[str, ...]:
    """What tells images on the host from the same ones on the device: other programs are compiled for them."""
    return ("on the host",) if isinstance(data, HostSet) else ()


def _of_arrays(data: ImageSet) -> RunImages:
    parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
    digest = digest_of({part: (np.asarray(split.images), np.asarray(split.labels)) for part, split in parts.items()})
    record = _record(ARRAYS, data) | {"sha256": digest}
    return RunImages(data, (ARRAYS, digest, data.flip), record, _reference_error(data.classes))


def _record(source: str, data: ImageSet | HostSet) -> dict[str, Any]:
    side, _, channels = data.image_shape
    counts = {part: len(getattr(data, part).labels) for part in ("train", "validation", "test")}
    where = {"on_device": False} if isinstance(data, HostSet) else {}
    return {"source": source, **counts, "classes": data.classes, "side": side, "channels": channels, **where}


def _reference_error(classes: int) -> float:
    return BETTER_THAN_GUESSING * (1 - 1 / classes)
