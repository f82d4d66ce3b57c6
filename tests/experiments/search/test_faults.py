"""The kill campaign's own arithmetic: what it calls a loss."""

import json
import random
import signal

import pytest

from experiments.search import faults
from experiments.search.faults import Books
from jcenas.live.database import RunDatabase


def books(**changes):
    known = {1: (1, 1, 0.5, "done", 0.1, 5.0, 2.0, 3.0)}
    usual = Books("finished", known, rows=1, emissions_g=3.0, hours_g=3.0, untested=0)
    return usual._replace(**changes)


def test_nothing_is_lost():
    assert sum(faults.losses(None, books()).values()) == 0
    assert sum(faults.losses(books(status="running"), books()).values()) == 0
    assert sum(faults.losses(None, None).values()) == 0
    assert sum(faults.losses(books(), books(status="running", hours_g=0.0, untested=3)).values()) == 0


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (books(evaluations={}, rows=0), "evaluations gone"),
        (books(evaluations={1: (1, 1, 0.5, "done", 0.2, 5.0, 2.0, 3.0)}), "evaluations changed"),
        (books(rows=2), "evaluations repeated"),
        (books(emissions_g=2.9, hours_g=2.9), "emissions shrunk"),
        (books(hours_g=2.9), "accounts that differ"),
        (books(untested=1), "cells not tested"),
        (None, "run folders gone"),
    ],
)
def test_each_loss_is_seen(after, name):
    found = faults.losses(books(), after)
    assert {name: count for name, count in found.items() if count} == {name: 1}


def test_books_of_a_run(tmp_path):
    assert faults.read_books(tmp_path) is None
    database = RunDatabase(tmp_path / "run.db", create=True)
    database.set_meta("status", "finished")
    for proposal, (error, cost) in enumerate([(0.1, 9.0), (0.3, 5.0), (0.4, 9.0)], 1):
        database.insert(
            "evaluations",
            proposal=proposal,
            ordinal=proposal,
            status="done",
            validation_error=error,
            costs=json.dumps({"params": cost}),
        )
    database.insert("intervals", emissions_g=2.0)
    database.insert("hours", emissions_g=2.0)
    database.replace("test", proposal=1, error=0.2)
    database.close()
    found = faults.read_books(tmp_path)
    assert found is not None
    assert (found.status, found.rows, found.emissions_g, found.hours_g, found.untested) == ("finished", 3, 2.0, 2.0, 1)


class Ends:
    """A search that does nothing, or ends at once."""

    def __init__(self, code=None):
        self.code, self.waited = code, []

    def poll(self):
        return self.code

    def wait(self, seconds):
        self.waited.append(seconds)


def test_a_kill_waits_for_the_work_to_begin(tmp_path, monkeypatch):
    counts = iter([0, 0, 0, 5])
    monkeypatch.setattr(faults, "charges", lambda run: next(counts))
    monkeypatch.setattr(faults.time, "sleep", lambda seconds: None)
    process = Ends()
    faults.wait(process, tmp_path, random.Random(1), 8.0)  # draws 0.13: in the middle of the work
    assert next(counts, None) is None
    assert 0.2 <= process.waited[0] <= 8


def test_a_campaign_counts_kills_and_what_does_not_go_on(tmp_path, monkeypatch):
    known = iter([books(status="running"), books(status="running", evaluations={}, rows=0), books(status="finished")])
    codes = iter([None, None, 0])
    monkeypatch.setattr(faults, "read_books", lambda run: next(known))
    monkeypatch.setattr(faults, "wait", lambda *arguments: None)

    class Search(Ends):
        def send_signal(self, number):
            assert number == signal.SIGKILL

        def wait(self, seconds=None):
            return 0

    monkeypatch.setattr(faults, "start", lambda folder, words: Search(next(codes)))
    counts = faults.campaign(tmp_path, 2, 0, 8.0)
    assert (counts["kills"], counts["searches"], counts["lost: evaluations gone"]) == (2, 1, 1)
    monkeypatch.setattr(faults, "start", lambda folder, words: Search(2))
    assert faults.campaign(tmp_path, 1, 0, 8.0)["lost: searches that do not go on"] == 1


@pytest.mark.study
def test_a_small_campaign(tmp_path):
    assert faults.main(["--smoke", "--runs", str(tmp_path)]) == 0


@pytest.mark.study
def test_a_small_campaign_over_ray(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'jcenas[ray]'")
    assert faults.main(["--smoke", "--executor", "ray", "--runs", str(tmp_path)]) == 0


def test_over_ray_the_search_goes_on_by_itself_after_the_kill_of_an_actor(tmp_path, monkeypatch):
    known = iter([books(status="running")] * 4 + [books(status="finished")])
    monkeypatch.setattr(faults, "read_books", lambda run: next(known))
    monkeypatch.setattr(faults, "wait", lambda *arguments: None)
    words, killed = [], []

    class Search(Ends):
        def send_signal(self, number):
            killed.append("search")

        def wait(self, seconds=None):
            self.code = 0 if seconds == faults.PATIENCE_S else None

    class Raylets:
        address = "127.0.0.1:6379"

        def kill(self, victim, draw):
            killed.append(victim)
            return True

    def start(folder, given):
        words.append(given)
        return Search()

    monkeypatch.setattr(faults, "start", start)
    counts = faults.campaign(tmp_path, 4, 0, 8.0, Raylets())
    assert counts["kills"] == 4 == sum(counts[f"kills of {victim}"] for victim in faults.VICTIMS)
    assert {"actor", "node", "search"} >= set(killed)
    assert len(words) == 1 + killed.count("search")  # nobody starts it again after other kills
    assert "--executor ray --address 127.0.0.1:6379" in " ".join(words[0])
