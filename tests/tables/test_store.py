import hashlib
import json
import os

import pytest

from jcenas.errors import InputError
from jcenas.tables import store

BODY = b"prepared data"
NAME = "images/toy.npz"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder and a registry of one small file."""
    registry = tmp_path / "registry.json"
    registry.write_text(json.dumps({NAME: [len(BODY), hashlib.sha256(BODY).hexdigest()]}))
    monkeypatch.setattr(store, "REGISTRY", registry)
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(store, "memory", lambda: tmp_path / "cache" / "whole.json")
    store.registry.cache_clear()
    yield tmp_path / "data"
    store.registry.cache_clear()


def test_import_then_locate(folder, tmp_path):
    source = tmp_path / "download.npz"
    source.write_bytes(BODY)
    path = store.import_file(NAME, source)
    assert path == store.locate(NAME, verify=True) == folder / NAME
    assert path.read_bytes() == BODY
    assert os.listdir(path.parent) == ["toy.npz"]  # no part file is left
    assert store.listing(verify=True) == [store.Row(NAME, len(BODY), "ready")]


def test_missing_names_the_mending_command(folder):
    with pytest.raises(InputError, match=rf"{NAME} is missing in .*`jcenas data import {NAME} PATH`.*JCENAS_DATA"):
        store.locate(NAME)
    assert store.listing()[0].state == "missing"


def test_damage_is_found(folder):
    path = folder / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY[:-1])
    with pytest.raises(InputError, match=r"damaged \(12 bytes instead of 13\).*jcenas data import"):
        store.locate(NAME)
    path.write_bytes(BODY[:-1] + b"X")  # the size is right; only reading it finds the change
    for verify in (False, True):
        with pytest.raises(InputError, match=r"damaged \(its SHA-256 is not"):
            store.locate(NAME, verify=verify)
        assert store.listing(verify=verify)[0].state == "damaged"


def test_a_whole_file_is_read_once_until_it_changes(folder, monkeypatch):
    path, read, sha256 = folder / NAME, [], store.sha256

    def counted(path):
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(store, "sha256", counted)
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    for _ in range(3):
        assert store.locate(NAME) == path
    assert store.listing()[0].state == "ready"
    assert len(read) == 1
    store.locate(NAME, verify=True)
    assert len(read) == 2
    before = path.stat()
    path.write_bytes(BODY[::-1])  # as a file with shuffled labels: nothing but its contents differs
    with pytest.raises(InputError, match="damaged"):
        store.locate(NAME)
    path.write_bytes(BODY)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.locate(NAME) == path
    assert len(read) == 3  # of the same size and time as before
    store.memory().write_text("{ half")
    assert store.locate(NAME) == path
    assert len(read) == 4


def test_wrong_source_changes_nothing(folder, tmp_path):
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(InputError, match="its SHA-256 is"):
        store.import_file(NAME, tmp_path / "other")
    with pytest.raises(InputError, match="cannot be read"):
        store.import_file(NAME, tmp_path / "nowhere")
    assert not folder.exists()


def test_unwritable_folder(folder, tmp_path):
    (tmp_path / "good").write_bytes(BODY)
    folder.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot write"):
        store.import_file(NAME, tmp_path / "good")


def test_unknown_name(folder):
    with pytest.raises(InputError, match=r"no data file is called 'x'; `jcenas data list`"):
        store.locate("x")


def test_default_folder_is_the_user_cache(monkeypatch):
    monkeypatch.delenv("JCENAS_DATA", raising=False)
    assert store.data_folder().parts[-2:] == ("jcenas", "data")


@pytest.mark.data
def test_shipped_registry_matches_the_data_folder(data):
    assert {row.state for row in store.listing()} == {"ready"}
    assert store.locate("images/cifar10_train_jpeg.npz").stat().st_size == 15358324
    assert store.locate("carbon/carboncast_first_tier_mape.csv", verify=True)
