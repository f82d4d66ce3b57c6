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


def test_more_devices_than_there_are_is_refused():
    count = jax.local_device_count()
    assert len(sharding.local_devices(count)) == count
    with pytest.raises(InputError, match=rf"--devices {count + 1}: this machine has {count} \w+ device\(s\)"):
        sharding.local_devices(count + 1)
