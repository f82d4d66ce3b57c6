"""Searches whose images stay on the host give what they give on the device."""

import jax
import numpy as np
import pytest

from jcenas.live import SearchConfig, prepare, search
from jcenas.live.database import RunDatabase
from jcenas.live.images import load
from jcenas.runtime import sharding
from jcenas.train import feed

CELL, OTHER = (3, 1, 2, 1, 3, 4), (1, 2, 3, 3, 0, 1)
SMALL = {"channels": 4, "epochs": 2, "supernet_epochs": 1, "batch_size": 16, "stage": "one-shot", "proposals": 8}


@pytest.fixture
def archive(tmp_path, rng):
    y = np.arange(400) % 4
    x = (y[:, None, None] * 50 + rng.integers(0, 60, (400, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    return str(tmp_path / "mine.npz")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prepare, "MOST_ROOM", 64)
    monkeypatch.setattr(feed, "PIECE_BYTES", 4 * 16 * 64)  # four steps: several pieces of a chunk


@pytest.mark.slow
def test_streamed_programs_train_and_score_as_resident_ones(archive):
    found = {}
    for where in ("yes", "no"):
        config = SearchConfig(images=archive, images_on_device=where, devices=1, **SMALL)
        device = sharding.local_devices(1)[0]
        programs = prepare._programs(config, load(config, device), device)
        assert programs.streamed == (where == "no")
        losses, state = [], programs.init(jax.random.key(1), 2)
        for genome in (CELL, CELL, OTHER):
            state, loss = programs.train_candidate(state, genome)
            losses.append(loss)
        errors = [programs.validation_error(state, CELL), programs.test_error(state, CELL)]
        supernet, loss = programs.train_supernet(programs.init(jax.random.key(2), 2), (0, 1))
        scores = programs.scores(supernet, np.array([CELL, OTHER]))
        found[where] = np.array([*losses, loss]), np.array([*errors, *scores]), state
    np.testing.assert_allclose(found["no"][0], found["yes"][0], rtol=1e-4)
    np.testing.assert_allclose(found["no"][1], found["yes"][1], atol=0.02)  # one image of 64, for rounding
    assert int(found["no"][2].step) == int(found["yes"][2].step) > 16  # into the second epoch


@pytest.mark.slow
def test_a_whole_search_on_images_of_the_host_goes_on(archive, tmp_path):
    options = SMALL | {"optimizer": "random", "hours": 500, "evaluations": 1, "devices": None, "name": "run"}
    config = SearchConfig(images=archive, images_on_device="no", runs=tmp_path / "runs", **options)
    result = search(config)
    assert (result.status, result.summary["images"]["on_device"]) == ("finished", False)
    assert result.summary["evaluations"] >= 1
    again = search(resume=result.folder, changes={"evaluations": result.summary["evaluations"] + 1})
    assert again.summary["evaluations"] > result.summary["evaluations"]
    database = RunDatabase(result.folder / "run.db")
    assert {"supernet", "candidate", "test"} <= {r[0] for r in database.rows("SELECT DISTINCT purpose FROM intervals")}
    database.close()
