"""Forecasts of another process: the same as here, without JAX here; and what happens where none comes."""

import subprocess
import sys

import numpy as np
import pytest

from jcenas.live.greener import forecast_process
from jcenas.live.greener.forecast_process import ForecastProcess
from jcenas.live.greener.known import ask_here

WEEK = np.tile([400, 300, 100, 200], 42)


@pytest.mark.slow
def test_the_same_forecast_from_another_process(grid_of, tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise RuntimeError('a file of the user, not the standard library')")
    monkeypatch.chdir(tmp_path)
    grid, said = grid_of(np.tile([400, 300, 100, 200], 30), WEEK), []
    forecasts = ForecastProcess(said.append, keep=True)
    for hour, lead_h in ((0, 30), (3, 100)):
        np.testing.assert_allclose(
            forecasts(grid, "model", hour, lead_h), ask_here(grid, "model", hour, lead_h), rtol=2e-3
        )
    assert forecasts._process is not None
    forecasts.close()
    forecasts.close()
    assert said == []


def test_yesterday_is_repeated_where_no_forecast_comes(grid_of, monkeypatch):
    grid, said = grid_of(np.tile([400, 300, 100, 200], 30), WEEK), []
    forecasts = ForecastProcess(said.append, keep=True)
    monkeypatch.setattr(forecast_process.sys, "executable", "/no/such/python")
    told = forecasts(grid, "model", 2, 10)
    np.testing.assert_allclose(told[:, 1], [100, 200, 400, 300, 100, 200, 400, 300, 100, 200])
    assert len(said) == 1
    assert "no forecast (FileNotFoundError" in said[0]


def test_a_process_that_never_answers_is_given_up(grid_of, monkeypatch):
    grid, said = grid_of(np.tile([400, 300, 100, 200], 30), WEEK), []
    start = subprocess.Popen
    monkeypatch.setattr(forecast_process.subprocess, "Popen", lambda command, **given: start(["sleep", "60"], **given))
    monkeypatch.setattr(forecast_process, "LONGEST_S", 0.1)
    forecasts = ForecastProcess(said.append, keep=True)
    assert forecasts(grid, "model", 0, 24).shape == (24, 3)
    assert "TimeoutError" in said[0]
    assert forecasts._process is None


def test_while_no_week_is_known_nothing_is_started(grid_of, monkeypatch):
    monkeypatch.setattr(forecast_process.sys, "executable", "/no/such/python")
    forecasts = ForecastProcess(pytest.fail, keep=True)
    assert forecasts(grid_of([100] * 30), "model", 0, 5).shape == (5, 3)
    assert forecasts(grid_of([100] * 30, WEEK), "none", 0, 5).shape == (5, 3)


def test_jax_stays_out_of_this_process():
    program = (
        "import sys; from jcenas.live.greener.config import GreenerConfig\n"
        "from jcenas.live.greener.waiting import GreenWait\n"
        "config = GreenerConfig(work='1h', deadline='3h', zone='DE', forecast='none')\n"
        "GreenWait(config, say=print)\n"
        "assert not {'jax', 'matplotlib'} & set(sys.modules), 'JAX is here'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
