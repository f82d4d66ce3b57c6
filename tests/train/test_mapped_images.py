"""A user's images in a mapped file: the same as in memory, found again, and never damaged ones."""

import itertools
import os
import time
import types
import zipfile

import numpy as np
import pytest
from PIL import Image

from jcenas.errors import InputError
from jcenas.train import image_folder, mapped_images, own_images, pixel_file
from jcenas.train.own_images import read_own


@pytest.fixture
def folder(tmp_path, rng):
    """Two classes of pictures for training and for the test, one of which is no picture."""
    for part, name, i in itertools.product(("train", "test"), ("ant", "bee"), range(6)):
        place = tmp_path / "f" / part / name
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(place / f"{i}.png")
    cut = tmp_path / "f" / "train" / "bee" / "2.png"
    cut.write_bytes(cut.read_bytes()[:60])
    return tmp_path / "f"


@pytest.fixture
def both(tmp_path):
    """Read into memory, and into a file."""

    def read(path, **options):
        return read_own(path, **options), read_own(path, limit_bytes=0, overflow=tmp_path / "cache", **options)

    return read


def check_equal(one, other):
    assert (one.mapped, other.mapped) == (False, True)
    assert one.parts.keys() == other.parts.keys()
    for part, (images, labels) in one.parts.items():
        np.testing.assert_array_equal(images, other.parts[part][0])
        np.testing.assert_array_equal(labels, other.parts[part][1])
    assert (one.classes, one.left_out, one.digest) == (other.classes, other.left_out, other.digest)


def test_a_folder_is_decoded_once(folder, both, monkeypatch):
    monkeypatch.setattr(image_folder, "_MOST_AHEAD", 5)  # several rounds
    first = both(folder)
    check_equal(*first)
    assert len(first[0].parts["train"][1]) == 11
    assert list(first[1].left_out) == ["train/bee/2.png"]
    assert "stay on the host" in first[1].notes[1]
    monkeypatch.setattr(mapped_images.image_folder, "read_pixels", None)
    found = read_own(folder, limit_bytes=0, overflow=folder.parent / "cache")
    np.testing.assert_array_equal(found.parts["test"][0], first[0].parts["test"][0])
    assert (found.digest, found.left_out) == (first[0].digest, first[0].left_out)


def test_other_files_sizes_and_damaged_caches_are_decoded_anew(folder, both):
    first = both(folder)[0].digest
    cache = folder.parent / "cache"
    (stored,) = cache.iterdir()
    pixels = bytearray((stored / "pixels.u8").read_bytes())
    pixels[100] ^= 1
    (stored / "pixels.u8").write_bytes(pixels)
    assert pixel_file.find(cache, stored.name) is None
    check_equal(*both(folder))
    assert [path.name for path in cache.iterdir()] == [stored.name]
    check_equal(*both(folder, size=4))
    Image.new("RGB", (8, 8)).save(folder / "train" / "ant" / "0.png")
    os.utime(folder / "train" / "ant" / "0.png", (1, 1))
    again = both(folder)
    check_equal(*again)
    assert again[0].digest != first
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool])
def test_an_archive_is_read_in_pieces(tmp_path, rng, both, monkeypatch, kind):
    monkeypatch.setattr(mapped_images, "PIECE_BYTES", 1000)
    x = rng.integers(0, 2 if kind is bool else 256, (40, 8, 8)) / (255 if kind is np.float32 else 1)
    arrays = {"x_train": x.astype(kind), "x_test": x[:12, ..., None].astype(kind)}
    np.savez_compressed(tmp_path / "a.npz", y_train=np.arange(40) % 3, y_test=np.arange(12) % 3, **arrays)
    check_equal(*both(tmp_path / "a.npz"))
    check_equal(*both(tmp_path / "a.npz"))


def test_archives_that_are_refused_leave_nothing(tmp_path, refusal):
    def said(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return refusal(read_own, tmp_path / "a.npz", limit_bytes=0, overflow=tmp_path / "cache")

    y = np.arange(12) % 2
    assert "not in 0..1" in said(x=np.full((12, 4, 4), 3.0), y=y)
    assert "pickled Python objects" in said(x=np.full((12, 4, 4), None), y=y)
    assert "12 images and 11 labels" in said(x=np.zeros((12, 4, 4), np.uint8), y=y[1:])
    assert "different shapes" in said(x_train=np.zeros((12, 4, 4)), y_train=y, x_test=np.zeros((12, 5, 5)), y_test=y)
    assert "in Fortran order" in said(x=np.asfortranarray(np.zeros((12, 4, 4))), y=y)
    assert "images of shape" in said(x=np.zeros(12), y=y)
    assert "no images" in said(x=np.zeros((0, 4, 4)), y=y[:0])
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY")
        archive.writestr("y.npy", b"")
    assert "not a readable .npz file" in refusal(
        read_own, tmp_path / "a.npz", limit_bytes=0, overflow=tmp_path / "cache"
    )
    assert not list((tmp_path / "cache").iterdir())


def test_a_full_disk_is_said_in_one_line(tmp_path, folder, monkeypatch, refusal):
    monkeypatch.setattr(pixel_file.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10})())
    said = refusal(read_own, folder, limit_bytes=0, overflow=tmp_path / "cache")
    assert "GiB are free; free the disk, set XDG_CACHE_HOME" in said
    monkeypatch.undo()
    (tmp_path / "cache").write_text("a file")
    assert "cannot be kept there" in refusal(read_own, folder, limit_bytes=0, overflow=tmp_path / "cache")
    with pytest.raises(InputError, match="--images-on-device no"):
        own_images.read_own(folder, limit_bytes=0)


def test_what_nobody_uses_is_deleted(folder, both, monkeypatch):
    cache = folder.parent / "cache"
    both(folder)
    (used,) = cache.iterdir()
    days = {"of last month": 31, ".cut.part": 2, ".being written.part": 0.5, "of yesterday": 1.5, "of today": 0.5}
    for name, age in days.items():
        (cache / name).mkdir()
        (cache / name / "pixels.u8").write_bytes(bytes(1000))
        for path in (cache / name / "pixels.u8", cache / name):
            os.utime(path, (time.time() - 86400 * age,) * 2)
    assert [one.place.name for one in pixel_file.listing(cache)][:2] == ["of last month", ".cut.part"]
    for path in (*used.iterdir(), used):
        os.utime(path, (1, 1))  # written long ago; but `both` finds it, which is a use
    both(folder)
    assert pixel_file.listing(cache)[-1].unused_days < 0.1
    pixel_file.make_space(cache, 1, "it")
    kept = {used.name, ".being written.part", "of yesterday", "of today"}
    assert {path.name for path in cache.iterdir()} == kept
    monkeypatch.setattr(pixel_file.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=2**20))
    with pytest.raises(InputError, match=r"it: its pixels take 1 GiB in .*, where 0\.000977 GiB are free"):
        pixel_file.make_space(cache, 2**30, "it")
    assert {path.name for path in cache.iterdir()} == kept - {"of yesterday"}
