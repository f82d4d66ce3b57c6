"""The images of a run: the user's own, arrays, what is recorded of them, and going on with the same ones only."""

import json

import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.live import SearchConfig, prepare, search
from jcenas.live.database import RunDatabase
from jcenas.live.images import check_same, load
from jcenas.runtime import memory, sharding
from jcenas.train import image_set
from jcenas.train.host_set import HostSet

SMALL = {"channels": 4, "epochs": 1, "batch_size": 16, "proposals": 8, "devices": 1, "optimizer": "random"}


@pytest.fixture
def archive(tmp_path, rng):
    file = tmp_path / "mine.npz"
    np.savez(file, x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 4)
    return file


def loaded(**options):
    return load(SearchConfig(**options), sharding.local_devices()[0])


def test_a_path_becomes_absolute_and_old_records_are_read(archive, monkeypatch):
    monkeypatch.chdir(archive.parent)
    config = SearchConfig(images="mine.npz")
    assert config.images == str(archive)
    assert SearchConfig.from_json(config.to_json()) == config
    old = SearchConfig().to_json()
    del old["image_size"]
    old["dataset"] = old.pop("images")
    assert SearchConfig.from_json(old) == SearchConfig()


def test_what_is_recorded(archive):
    record = loaded(images=str(archive)).record
    assert record.pop("sha256")
    assert record == {
        "source": str(archive),
        **{"train": 24, "validation": 8, "test": 8, "classes": 4, "side": 8, "channels": 1},
        **{"class_names": [], "left_out": 0, "left_out_files": []},
    }
    assert loaded(images="digits").record["train"] == 1151
    json.dumps(record)


def test_the_reference_error_is_of_a_guess_where_nothing_is_known(archive):
    assert loaded(images=str(archive)).reference_error == pytest.approx(0.9 * 0.75)
    assert loaded(images="digits").reference_error == 0.1


def test_only_the_same_images_go_on(archive, rng):
    first = loaded(images=str(archive))
    check_same(json.loads(json.dumps(first.record)), loaded(images=str(archive)))
    assert first == loaded(images=str(archive))
    check_same(None, loaded(images="digits"))  # an old run folder
    np.savez(archive, x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 4)
    other = loaded(images=str(archive))
    assert other != first
    with pytest.raises(InputError, match=r"mine\.npz: these are not the images that the run began with"):
        check_same(first.record, other)


def test_too_large_for_the_memory(archive, monkeypatch):
    monkeypatch.setattr(memory, "device_bytes", lambda device: 8000.0)
    with pytest.raises(InputError, match=r"a quarter of the memory\); .*--images-on-device no"):
        loaded(images=str(archive), images_on_device="yes")


def test_what_is_too_large_stays_on_the_host_and_is_the_same(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    resident = loaded(images=str(archive))
    monkeypatch.setattr(memory, "device_bytes", lambda device: 8000.0)
    found = loaded(images=str(archive))
    assert isinstance(found.data, HostSet)
    assert found.record == resident.record | {"on_device": False}
    assert found != resident  # other programs
    check_same(json.loads(json.dumps(resident.record)), found)
    assert "stay on the host" in found.notes[0]
    assert list((tmp_path / "cache").rglob("pixels.u8"))
    assert isinstance(loaded(images="digits").data, HostSet)
    assert not isinstance(loaded(images="digits", images_on_device="yes").data, HostSet)
    with pytest.raises(InputError, match="the images that a program hands over are on the device"):
        load(
            SearchConfig(images_on_device="no"),
            sharding.local_devices()[0],
            image_set(np.arange(9.0)[:, None, None] * np.ones((4, 4)) / 9, [0, 1, 2] * 3),
        )


def test_the_memory_of_the_host(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    everything = memory.host_bytes((limit, tmp_path / "gone"))
    limit.write_text("1234\n")
    assert memory.host_bytes((limit,)) == 1234 < everything
    assert memory.device_bytes(sharding.local_devices()[0]) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "arrays"}, "a Python program hands them over"),
        ({"images": "nothing/here"}, "nothing/here: no such file or folder"),
        ({"image_size": 8}, "only the images of a user's folder are resized"),
    ],
)
def test_nothing_is_written_before_the_images_are_checked(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        search(SearchConfig(runs=tmp_path / "runs", **options))
    assert not list(tmp_path.iterdir())


def test_sides_that_the_networks_do_not_take(tmp_path, rng):
    np.savez(tmp_path / "odd.npz", x=rng.integers(0, 256, (40, 6, 6), np.uint8), y=np.arange(40) % 4)
    for problem in ("nasbench201", "darts"):
        options = {"images": str(tmp_path / "odd.npz"), "problem": problem, "runs": tmp_path / "runs"}
        with pytest.raises(
            InputError, match=r"odd\.npz: images must be .* multiples of 4, not .*; pad, crop or resize"
        ):
            search(SearchConfig(**SMALL, **options))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_search_on_arrays_is_recorded_and_goes_on_with_the_same_ones_only(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(prepare, "MOST_ROOM", 64)
    y = np.arange(60) % 3
    x = (y[:, None, None] * 80 + rng.integers(0, 40, (60, 8, 8))).astype(np.uint8)
    data, other = image_set(x, y), image_set(255 - x, y)
    config = SearchConfig(name="run", runs=tmp_path, stage="none", hours=500, evaluations=1, **SMALL)
    result = search(config, images=data)
    record = json.loads((result.folder / "config.json").read_text())
    assert (record["config"]["images"], record["images"]["train"], record["images"]["classes"]) == ("arrays", 39, 3)
    assert result.summary["images"]["side"] == 8
    database = RunDatabase(result.folder / "run.db")
    with database.transaction():
        database.set_meta("status", "interrupted")
    database.close()
    with pytest.raises(InputError, match="a Python program hands them over"):
        search(resume=result.folder)
    with pytest.raises(InputError, match="arrays: these are not the images"):
        search(resume=result.folder, images=other)
    assert search(resume=result.folder, images=data).status == "finished"
