"""The league of optimisers: what is counted, what a later call runs again, and what the table says."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.moo import league, league_table, peers
from experiments.moo.league_players import PLAYERS, Contestant
from experiments.moo.league_problems import PROBLEMS, Problem, load
from jcenas.moo import Box
from jcenas.moo.problems import zdt1

VALUES = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0], [4.0, 4.0]])


class Listed:
    cardinalities = (4,)


def toy():
    return Problem(
        title="toy",
        space=Listed(),
        evaluate=lambda genomes: VALUES[genomes[:, 0]],
        nearest=np.asarray,
        reference=np.array([4.0, 4.0]),
        largest=6.0,
        ordinal=False,
    )


class Stubborn:
    """Proposes the same two genomes three times, and then the others."""

    def __init__(self, problem, *, batch, evaluations, seed):
        self.asks, self.told = 0, []

    def ask(self):
        self.asks += 1
        return np.array([[0], [1]]) if self.asks <= 3 else np.array([[2], [3]])

    def tell(self, objectives):
        self.told.append(objectives.tolist())


def test_only_what_is_new_is_counted(monkeypatch):
    made = []
    contestant = Contestant(lambda *a, **k: made.append(Stubborn(*a, **k)) or made[-1])
    monkeypatch.setattr(league, "SIZES", (2, 4))
    line = league.search(toy(), contestant, batch=2, evaluations=4, seed=0)
    # (3, 1) and (2, 2) have a volume of 3 + 2 x 1 = 5 of 6; with (1, 3) it is all, and a ten-millionth is the least.
    assert line["missing"] == pytest.approx({"2": np.log(6 - 5), "4": np.log(6e-7)})
    assert line["repeats"] == 4
    assert made[0].told == [VALUES[:2].tolist()] * 3 + [VALUES[2:].tolist()]


def test_an_optimiser_that_finds_nothing_new_ends(monkeypatch):
    monkeypatch.setattr(league, "_PATIENCE", 3)

    class Ended(Stubborn):
        def ask(self):
            return np.array([[0], [1]]) if not self.told else np.zeros((0, 1), int)

    line = league.search(toy(), Contestant(Ended), batch=2, evaluations=4, seed=0)
    assert line["repeats"] == 0


def test_what_is_known_is_not_run_again(tmp_path, monkeypatch, capsys):
    ran = []

    def search(problem, contestant, **room):
        ran.append(room["seed"])
        return {"missing": {"50": 1.0}, "ask_s": [0.1] * 3, "last_ask_s": 0.1, "repeats": 0}

    monkeypatch.setattr(league, "search", search)
    path = tmp_path / "lines.jsonl"
    options = ["--problems", "tiny", "--optimizers", "random", "--batches", "1", "--evaluations", "50"]
    options += ["--lines", str(path)]
    monkeypatch.setattr(league, "record", lambda *a, **k: None)
    league.main([*options, "--seeds", "2"])
    path.write_text(path.read_text() + '{"problem": "ti')  # killed while it wrote
    rows = league.main([*options, "--seeds", "3"])
    assert ran == [0, 1, 2]
    assert rows[0][:4] == ["tiny", 1, "random", 3]
    changed = [json.loads(text) | {"version": "other"} for text in path.read_text().splitlines() if text[-1] == "}"]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    league.main([*options, "--seeds", "1"])
    assert ran == [0, 1, 2, 0]
    assert "tiny" in capsys.readouterr().out


def test_the_first_and_those_within_its_interval():
    best, near, far = [1.0, 1.1, 1.2, 1.3, 1.4], [1.2, 1.25, 1.3, 1.35, 1.3], [2.0, 2.1, 2.2, 2.3, 2.4]
    low, high = league_table.interval(best)
    assert 1.0 <= low < 1.2 < high <= 1.4
    assert league_table.first({"best": best, "near": near, "far": far}) == {"best", "near"}
    assert league_table.first({"far": far}) == {"far"}


def lines_of(name, missing, ask_s=0.01, problem="a"):
    return [
        {
            "problem": problem,
            "batch": 1,
            "optimizer": name,
            "seed": seed,
            "missing": {"50": value},
            "ask_s": [ask_s] * 3,
        }
        for seed, value in enumerate(missing)
    ]


def test_rows_and_verdict_by_hand():
    lines = lines_of("ours", [1.0, 1.1, 1.2]) + lines_of("theirs", [2.0, 2.1, 2.2], 0.2)
    table = league_table.rows(lines, ["a"], [1])
    assert table == [
        ["a", 1, "ours", 3, "1.100 [1.050, 1.150] *", None, None, None, 10.0],
        ["a", 1, "theirs", 3, "2.100 [2.050, 2.150]", None, None, None, 200.0],
    ]
    said = league_table.verdict(table, ["ours"])
    assert said.startswith("Met: ours is first or within the interval of the first in all 1 cells")
    assert "10 ms (within 50)" in said
    said = league_table.verdict(table, ["theirs"])
    assert said.startswith("Missed: the nearest is theirs")
    assert "0 of 1 cells; not in a batch 1 after 50" in said
    assert "200 ms (above 50)" in said
    assert league_table.verdict(table, ["nobody"]).startswith("Not measured")


def test_an_optimiser_that_missed_problems_is_not_the_nearest():
    lines = lines_of("whole", [2.0, 2.1]) + lines_of("whole", [2.0, 2.1], problem="b")
    lines += lines_of("half", [1.0, 1.1])
    table = league_table.rows(lines, ["a", "b"], [1])
    assert "the nearest is whole" in league_table.verdict(table, ["whole", "half"])


def test_problems_with_known_fronts_have_no_more_to_find():
    for name in ("tiny", "zdt1", "zdt3", "dtlz2", "dtlz7"):
        problem = load(name)
        genomes = np.asarray(problem.space.sample(jax.random.key(0), 500))
        values = problem.evaluate(genomes)
        assert values.shape == (500, len(problem.reference))
        assert problem.missing(values) > np.log(1e-3 * problem.largest)
    assert set(PROBLEMS) >= set(league.FIRST)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["nb201", "ecnas5v", "macro", "darts1000", "lanas", "accel3", "ecnas7v"])
def test_tables_of_the_league(name, data, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(data))
    problem = load(name)
    sizes = np.array(problem.space.cardinalities)
    proposals = np.random.default_rng(0).integers(0, sizes, (20, len(sizes)))
    genomes = problem.nearest(proposals)
    values = problem.evaluate(genomes)
    assert np.isfinite(values).all()
    assert (values <= problem.reference).all()
    np.testing.assert_array_equal(problem.nearest(genomes), genomes)  # what is in the table stays
    assert np.exp(problem.missing(values)) < problem.largest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "optuna-tpe", "optuna-nsga2", "pymoo-nsga2", "pymoo-sms"])
@pytest.mark.parametrize("ordinal", [True, False])
def test_a_contestant_asks_and_tells(name, ordinal):
    contestant = PLAYERS[name]
    if not peers.has(contestant.package):
        pytest.skip(f"{contestant.package} is not installed: python -m experiments.moo.league --install")
    box, short = Box(variables=3, levels=9), zdt1(3)

    def evaluate(genomes):
        return np.asarray(jax.vmap(short.evaluate)(box.features(jnp.asarray(genomes))), float)

    few = dataclasses.replace(load("tiny"), space=box, evaluate=evaluate, ordinal=ordinal)
    line = league.search(few, contestant, batch=5, evaluations=50, seed=0)
    assert set(line["missing"]) == {"50"}
