"""A user's archives and folders: what is read, what is left out, and what is refused, each in one line."""

import os
import zipfile

import numpy as np
from PIL import Image

from jcenas.train import image_folder
from jcenas.train.own_images import is_own, read_own


def folder_of(root, classes=("ant", "bee"), n=4, size=(8, 8), mode="RGB", form="png"):
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            colour = (40 * c + i + 1, 7, 9) if mode == "RGB" else 40 * c + i + 1
            Image.new(mode, size, colour).save(root / name / f"{i}.{form}")
    return root


# --- archives ---------------------------------------------------------------------------------------------------------


def test_an_archive_with_one_part_or_with_its_own(rng, tmp_path, pictures):
    x, y = pictures(rng)
    np.savez(tmp_path / "one.npz", x=x, y=y, other=np.array([None]))
    one = read_own(tmp_path / "one.npz")
    assert (one.parts.keys(), one.classes, one.left_out, one.notes) == ({"train"}, (), {}, ())
    np.testing.assert_array_equal(one.parts["train"][0][..., 0], x)
    np.savez_compressed(tmp_path / "three.npz", x_train=x, y_train=y, x_test=x, y_test=y, x_val=x, y_val=y)
    assert read_own(tmp_path / "three.npz").parts.keys() == {"train", "validation", "test"}
    np.savez_compressed(tmp_path / "same.npz", x=x / 255, y=y)
    assert read_own(tmp_path / "same.npz").digest == one.digest
    np.savez(tmp_path / "other.npz", x=x, y=np.roll(y, 1))
    assert read_own(tmp_path / "other.npz").digest != one.digest


def test_bad_archives(rng, tmp_path, pictures, refusal):
    x, y = pictures(rng)
    whole, file = tmp_path / "whole.npz", tmp_path / "mine.npz"
    np.savez(whole, x=x, y=y)
    content = whole.read_bytes()
    for bad in (b"", b"PK not a zip", content[:500], content[:-40], content[:900] + b"\xff" * 60 + content[960:]):
        file.write_bytes(bad)
        assert "mine.npz: not a readable .npz file" in refusal(read_own, file)
    np.savez(file, x=x.astype(object), y=y)
    assert "pickled Python objects, which are not read" in refusal(read_own, file)
    np.savez(file, images=x, y=y)
    assert "has no array 'x_train' (it has images, y)" in refusal(read_own, file)
    np.savez(file, x_train=x, y_train=y, x_test=x)
    assert "has no array 'y_test'" in refusal(read_own, file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + b"nonsense")
        archive.writestr("y.npy", b"")
    assert "not a readable .npz file" in refusal(read_own, file)
    assert "no such file or folder" in refusal(read_own, tmp_path / "gone.npz")
    assert "only the images of a folder are resized" in refusal(read_own, whole, size=4)


def test_too_much_is_refused_before_it_is_read(rng, tmp_path, pictures, refusal):
    x, y = pictures(rng)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    assert "more than the 9.31e-07 GiB" in refusal(read_own, tmp_path / "a.npz", limit_bytes=1000)
    said = refusal(read_own, folder_of(tmp_path / "f"), size=500, limit_bytes=1e6)
    assert "8 images of 500 x 500: 0.00559 GiB of images, more than" in said
    assert "smaller --image-size" in said


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_of_any_formats_sizes_and_modes(tmp_path):
    root = folder_of(tmp_path / "f", n=3)
    for form, mode in (("jpg", "L"), ("gif", "P"), ("bmp", "1"), ("tiff", "CMYK"), ("webp", "RGBA"), ("png", "LA")):
        Image.new(mode, (30, 20)).save(root / "bee" / f"{mode}.{form}")
    (root / "bee" / "deeper").mkdir()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(root / "bee" / "deeper" / "x.png")
    found = read_own(root)
    x, y = found.parts["train"]
    assert (x.shape, x.dtype, found.classes) == ((13, 8, 8, 3), np.uint8, ("ant", "bee"))
    assert np.bincount(y).tolist() == [3, 10]
    assert {(1, 7, 9), (41, 7, 9), (1, 2, 3), (255, 255, 255)} <= {tuple(map(int, p[0, 0])) for p in x}
    assert (found.left_out, found.notes) == ({}, ())


def test_all_grey_stays_grey_and_sixteen_bits_are_scaled(tmp_path):
    root = folder_of(tmp_path / "f", mode="L")
    Image.fromarray(np.full((8, 8), 200 * 256, np.uint16)).save(root / "ant" / "deep.png")
    palette = Image.new("L", (8, 8), 77).convert("P")
    palette.save(root / "ant" / "palette.png")
    x, _ = read_own(root).parts["train"]
    assert x.shape == (10, 8, 8, 1)
    assert {77, 200} <= set(x[:, 0, 0, 0].tolist())
    Image.new("RGB", (8, 8)).save(root / "bee" / "colour.png")
    assert read_own(root).parts["train"][0].shape[-1] == 3


def test_transparency_is_white_and_the_camera_is_held_upright(tmp_path):
    root = folder_of(tmp_path / "f", n=3)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(root / "ant" / "clear.png")
    turned = np.zeros((8, 8, 3), np.uint8)
    turned[:, 4:] = 255  # the right half; turned by 180 degrees, the left one
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(turned).save(root / "bee" / "turned.png", exif=exif)
    x, _ = read_own(root).parts["train"]
    assert any((p == 255).all() for p in x)
    assert any((p[:, :4] == 255).all() and (p[:, 4:] == 0).all() for p in x)


def test_the_side_is_the_most_common_one_up_to_64(tmp_path):
    root = folder_of(tmp_path / "f", n=4, size=(12, 9))
    Image.new("RGB", (500, 400)).save(root / "ant" / "large.jpg")
    assert read_own(root).parts["train"][0].shape == (9, 9, 9, 3)
    assert read_own(root, size=20).parts["train"][0].shape[1:3] == (20, 20)
    assert read_own(folder_of(tmp_path / "g", size=(100, 90))).parts["train"][0].shape[1:3] == (64, 64)


def test_damaged_files_are_named_and_hidden_ones_ignored(tmp_path, monkeypatch):
    root = folder_of(tmp_path / "f", n=5, form="jpg", size=(40, 40))
    whole = (root / "ant" / "0.jpg").read_bytes()
    (root / "ant" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "bee" / "te\nxt.jpg").write_text("no picture")
    (root / "bee" / "empty.png").write_bytes(b"")
    Image.new("RGB", (40, 40)).save(root / "bee" / "bomb.png")
    for hidden in (root / ".git", root / "ant" / ".DS_Store.d"):
        hidden.mkdir()
        (hidden / "x").write_text("x")
    (root / "bee" / "Thumbs.db").write_text("x")
    (root / "README.txt").write_text("about")
    os.mkfifo(root / "bee" / "pipe.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1600)
    Image.new("RGB", (50, 50)).save(root / "bee" / "bomb.png")
    found = read_own(root)
    assert found.left_out.keys() == {"ant/cut.jpg", "bee/te\\nxt.jpg", "bee/empty.png", "bee/bomb.png"}
    assert found.left_out["bee/te\\nxt.jpg"] == "no image"
    assert len(found.parts["train"][1]) == 10
    assert "4 of 14 files left out: " in found.notes[0]
    assert "and 1 more" in found.notes[0]
    assert "1 files beside the class folders are not used" in found.notes[1]


def test_parts_of_their_own(tmp_path, refusal):
    for part in ("train", "test", "val"):
        folder_of(tmp_path / "f" / part)
    assert {part: len(y) for part, (_, y) in read_own(tmp_path / "f").parts.items()} == {
        "train": 8,
        "validation": 8,
        "test": 8,
    }
    folder_of(tmp_path / "g" / "train", n=2)
    folder_of(tmp_path / "g" / "test", n=1)
    assert read_own(tmp_path / "g").parts.keys() == {"train", "test"}
    folder_of(tmp_path / "g" / "test", classes=("cat",))
    assert "class 'cat' is in test and not in train" in refusal(read_own, tmp_path / "g")
    (tmp_path / "f" / "labels").mkdir()
    assert "has train/ and labels, test, val" in refusal(read_own, tmp_path / "f")
    vehicles = folder_of(tmp_path / "v", classes=("bus", "train"))
    assert read_own(vehicles).classes == ("bus", "train")


def test_bad_folders(tmp_path, refusal):
    (tmp_path / "empty").mkdir()
    assert "has no class folders" in refusal(read_own, tmp_path / "empty")
    assert "of one class" in refusal(read_own, folder_of(tmp_path / "one", classes=("ant",)))
    root = folder_of(tmp_path / "few", n=2)
    assert "class 'ant' has 2 images; it needs 3 or more" in refusal(read_own, root)
    (root / "cat").mkdir()
    (root / "cat" / "a.jpg").write_text("x")
    assert "class 'cat' has 0 images; it needs 3" in refusal(read_own, root)
    assert "left out: cat/a.jpg (no image)" in refusal(read_own, root)
    for name in ("x", "y"):
        (tmp_path / "none" / name).mkdir(parents=True)
    assert "no file in its class folders is an image" in refusal(read_own, tmp_path / "none")


def test_the_digest_is_of_names_and_bytes(tmp_path):
    root = folder_of(tmp_path / "f")
    first = read_own(root).digest
    assert read_own(folder_of(tmp_path / "copy")).digest == first
    assert read_own(root, size=4).digest != first
    (root / "ant" / "0.png").rename(root / "ant" / "z.png")
    assert read_own(root).digest != first


def test_many_classes_are_remarked_on(rng, tmp_path, monkeypatch, pictures):
    monkeypatch.setattr("jcenas.train.own_images.MANY_CLASSES", 2)
    np.savez(tmp_path / "a.npz", **dict(zip("xy", pictures(rng), strict=True)))
    assert "3 classes are many" in read_own(tmp_path / "a.npz").notes[0]


def test_what_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(folder_of(tmp_path / "pictures"))
    assert [is_own(text) for text in ("ant", "./bee", "a.npz", "digits", "")] == [True, True, True, False, False]
    assert image_folder.usual_side(image_folder.scan(tmp_path / "pictures")) == 8
