import errno
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.runtime import checkpoint, sharding

TREE = {"weights": jnp.arange(6.0).reshape(2, 3), "step": jnp.int32(7), "key": jax.random.key(3)}


def like():
    return {"weights": jnp.zeros((2, 3)), "step": jnp.int32(0), "key": jax.random.key(0)}


def check(tree, factor=1.0):
    np.testing.assert_array_equal(tree["weights"], factor * TREE["weights"])
    assert int(tree["step"]) == 7
    assert bool(jnp.all(jax.random.key_data(tree["key"]) == jax.random.key_data(TREE["key"])))


def test_a_tree_comes_back_as_it_was(tmp_path):
    checkpoint.save(tmp_path / "a", TREE)
    check(checkpoint.load(tmp_path / "a", like()))


def test_a_second_save_replaces_the_first(tmp_path):
    checkpoint.save(tmp_path / "a", TREE)
    checkpoint.save(tmp_path / "a", TREE | {"weights": 2 * TREE["weights"]})
    check(checkpoint.load(tmp_path / "a", like()), 2.0)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_killed_between_the_renames_the_old_one_is_still_found(tmp_path):
    checkpoint.save(tmp_path / "a", TREE)
    (tmp_path / "a").rename(tmp_path / "a.old")
    assert checkpoint.exists(tmp_path / "a")
    check(checkpoint.load(tmp_path / "a", like()))


def test_an_unfinished_save_is_not_taken_for_a_checkpoint(tmp_path):
    (tmp_path / "a.new").mkdir()
    (tmp_path / "a.new" / "garbage").write_text("half")
    assert not checkpoint.exists(tmp_path / "a")
    checkpoint.save(tmp_path / "a", TREE)
    check(checkpoint.load(tmp_path / "a", like()))
    checkpoint.delete(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def largest(folder):
    """The file with the most bytes: that of the arrays."""
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip(folder):
    data = bytearray(largest(folder).read_bytes())
    data[len(data) // 2] ^= 1
    largest(folder).write_bytes(data)


def cut(folder):
    largest(folder).write_bytes(largest(folder).read_bytes()[:-1])


def lose(folder):
    largest(folder).unlink()


def add(folder):
    (folder / "more").write_text("")


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def forget(folder):
    (folder / "sha256.json").write_text("{ half")


@pytest.mark.parametrize("damage", [flip, cut, lose, add, empty, forget, shutil.rmtree])
def test_damage_is_one_line(tmp_path, damage):
    checkpoint.save(tmp_path / "a", TREE)
    damage(tmp_path / "a")
    with pytest.raises(
        checkpoint.DamagedCheckpointError, match=rf"checkpoint {tmp_path / 'a'} is (damaged|missing)"
    ) as said:
        checkpoint.load(tmp_path / "a", like())
    assert "\n" not in str(said.value)


def test_a_full_disk_is_an_error_of_the_system_and_keeps_the_old_one(tmp_path, monkeypatch):
    """Tensorstore's own words, seen on a file system of 400 kB."""
    checkpoint.save(tmp_path / "a", TREE)
    said = [
        'RESOURCE_EXHAUSTED: Failed writing: "a/d/52540b": Failed to write 28554 bytes to file 24: No space left on '
        "device [os_error_code='28']",
        "this is no matter of the disk",
    ]

    def save(folder, tree):
        raise ValueError(said.pop(0))

    monkeypatch.setattr(checkpoint, "_orbax", lambda: SimpleNamespace(save=save))
    with pytest.raises(OSError, match="No space left on device") as full:
        checkpoint.save(tmp_path / "a", TREE)
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(ValueError, match="no matter of the disk"):
        checkpoint.save(tmp_path / "a", TREE)
    monkeypatch.undo()
    check(checkpoint.load(tmp_path / "a", like()))


def test_a_checkpoint_of_another_tree_is_one_line(tmp_path):
    checkpoint.save(tmp_path / "a", TREE)
    with pytest.raises(checkpoint.DamagedCheckpointError, match="cannot be read") as said:
        checkpoint.load(tmp_path / "a", {"other": jnp.zeros(3)})
    assert "\n" not in str(said.value)


def test_more_devices_than_there_are_is_refused():
    count = jax.local_device_count()
    assert len(sharding.local_devices(count)) == count
    with pytest.raises(InputError, match=rf"--devices {count + 1}: this machine has {count} \w+ device\(s\)"):
        sharding.local_devices(count + 1)
