"""Supernets that come back from their checkpoints, or do not."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np

from jcenas.live.config import SearchConfig
from jcenas.live.run_folder import RunFolder
from jcenas.live.supernet_weights import SupernetWeights
from jcenas.runtime import checkpoint


def test_a_damaged_supernet_is_trained_again_with_a_line(tmp_path):
    folder = RunFolder(tmp_path, (tmp_path / ".lock").open("w"))
    programs = SimpleNamespace(problem=SimpleNamespace(split=0))
    supernets, said = SupernetWeights(SearchConfig(), [programs], few_shot=False), []
    supernets.open(folder)
    fresh, trained = {"w": jnp.zeros(3)}, {"w": jnp.ones(3)}
    assert supernets._load(0, fresh, said.append) is fresh  # nothing was saved yet
    checkpoint.save(folder.supernet(0), trained)
    np.testing.assert_array_equal(supernets._load(0, fresh, said.append)["w"], trained["w"])
    assert not said
    (folder.supernet(0) / "sha256.json").write_text("{}")
    assert supernets._load(0, fresh, said.append) is fresh
    assert len(said) == 1
    assert said[0].startswith("supernet 0 is trained again from its begin: checkpoint")
    assert not checkpoint.exists(folder.supernet(0))
    folder.close()
