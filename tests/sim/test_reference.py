"""The simulator against a slow twin in plain Python, written from the rules and not from the arrays."""

import heapq

import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.alloc.policies import Policy
from jcenas.engine.stages import none, one_shot
from jcenas.engine.state import SearchSizes
from jcenas.sim.problem import ScenarioConfig, make_scenario
from jcenas.sim.search import make_search

N, G, Q, P, U, HOURS = 30, 3, 4, 9, 5, 6
KW = {"training": 1.5, "scoring": 0.75, "idle": 0.25, "switching": 1.0}


def twin(stage, table, shares, scenario):
    """Rows and finish times, emissions and device-seconds of one search, in float64."""
    seconds, error, cost, guess = (
        np.asarray(table.columns[c], float) for c in ("train_seconds", "error", "cost", "guess_error")
    )
    done, half, queue, ever = [], [], [], set()
    clock = emissions = energy = 0.0
    supernet, before = float(scenario.prepare_s), None
    spent = dict.fromkeys(("supernet", "switching", "training", "scoring", "idle"), 0.0)
    for hour in range(HOURS):
        length = min(3600.0, float(scenario.duration_s) - clock)
        if length <= 1e-3 * float(scenario.duration_s) / 1000:
            break
        share = shares[hour]
        whole, part = divmod(round(share * G, 6), 1)  # so many evaluate all the hour, and one in a part of it
        w, k, switch_s = int(whole), int(whole) + (part > 0), float(scenario.switch_s)
        turner = w if k > w else None
        prelude = min(length, supernet / G)
        changed = [before is not None and (d >= w) == (d < before) for d in range(G)]
        ready = [min(length, prelude + (switch_s if c else 0.0)) for c in changed]
        turn = [max((1 - part) * length, at) if d == turner else at for d, at in enumerate(ready)]
        begin = [min(length, at + switch_s) if d == turner else at for d, at in enumerate(turn)]
        sampling = sum((turn[d] if d == turner else length) - ready[d] for d in range(w, G))
        proposals, new = [(5 * len(done) + 3 * i) % N for i in range(P)], []
        known = set(queue) | {row for row, _ in half} | {row for row, _ in done}
        nobody_asks = w == G and not scenario.train_unscored if stage == "one-shot" else k == 0
        if nobody_asks:
            proposals = []
        for i, row in enumerate(proposals):
            if row not in known:
                known.add(row)
                new.append((i, row))
        scored, fresh = [], []
        if stage == "one-shot":
            most = int(np.floor(sampling / float(scenario.score_s))) if sampling > 0 else 0
            fresh = [row for _, row in new if row not in ever][:most]
            scored = [row for _, row in new if row in fresh or row in ever]
            ever |= set(fresh)
        jobs = [("half", row, left) for row, left in half] + [("queue", row, seconds[row]) for row in queue]
        if bool(scenario.train_unscored):
            jobs += [("new", row, seconds[row]) for i, row in new if i >= P - U]
        free = [(begin[d], d) for d in range(k)]
        heapq.heapify(free)
        runs, waits = [], []
        for kind, row, needs in jobs:
            if not free or free[0][0] >= length:
                waits.append((kind, row, needs))
                continue
            start, d = heapq.heappop(free)
            runs.append((row, start, start + needs, d))
            heapq.heappush(free, (start + needs, d))
        busy = list(begin)
        for _, _, finish, d in runs:
            busy[d] = max(busy[d], finish)
        # The samplers score evenly; what the one that turns has no time for, the others do.
        scoring, scored_at = len(fresh) * float(scenario.score_s), list(ready)
        for left, d in zip(range(G - w, 0, -1), range(w, G), strict=True):
            own = scoring / left
            if d == turner and left > 1:
                own = min(own, turn[d] - ready[d])
            scored_at[d], scoring = ready[d] + own, scoring - own
        for d in range(k, G):
            turn[d] = begin[d] = busy[d] = scored_at[d]
        spans = [("supernet", 0.0, prelude)] * G + [("switching", prelude, at) for at in ready]
        for phase, ends in {
            "scoring": (ready, scored_at),
            "idle": (scored_at, turn),
            "switching": (turn, begin),
            "training": (begin, busy),
        }.items():
            spans += [(phase, *both) for both in zip(*ends, strict=True)]
        spans += [("idle", at, np.inf) for at in busy]

        def seconds_by(t, spans=spans):
            total = dict.fromkeys(spent, 0.0)
            for phase, start, finish in spans:
                total[phase] += max(min(t, finish) - start, 0.0)
            return total

        def kwh_by(t, seconds_by=seconds_by):
            s = seconds_by(t)
            return (sum(KW[p] * s[p] for p in KW) + KW["training"] * s["supernet"]) / 3600

        intensity = float(scenario.intensity[hour])
        left = float(scenario.carbon_budget_g) - emissions
        end = length
        if kwh_by(length) * intensity > left:
            low, high = 0.0, length
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if kwh_by(middle) * intensity < left else (low, middle)
            end = high
        energy += kwh_by(end)
        emissions += kwh_by(end) * intensity
        for phase, value in seconds_by(end).items():
            spent[phase] += value
        half = [(row, needs) for kind, row, needs in waits if kind == "half"]
        cut, began = [], {row for row, start, _, _ in runs if start < end}
        for row, start, finish, _ in runs:
            if start < end and finish > end:
                cut.append((row, finish - end))
        order = {row: i for i, (_, row, _) in enumerate(jobs)}
        half = sorted(half + cut, key=lambda pair: order[pair[0]])
        ended = sorted((f, order[row], row) for row, _, f, _ in runs if f <= end)
        done += [(row, clock + f) for f, _, row in ended]
        queue = [row for row in queue if row not in began]
        if stage == "one-shot":
            line = queue + [row for row in scored if row not in began]
            beaten = {
                r: sum(
                    guess[o] <= guess[r] and cost[o] <= cost[r] and (guess[o], cost[o]) != (guess[r], cost[r])
                    for o in line
                )
                for r in line
            }
            queue = sorted(line, key=lambda r: beaten[r])[:Q]
        supernet = 0.0 if prelude < length else supernet - G * min(end, prelude)
        before, clock = (k if prelude < length else before), clock + end
        if end < length:
            break
    front = np.array([[error[r], cost[r]] for r, _ in done]).reshape(-1, 2)
    volume = moocore.hypervolume(front, ref=np.array([100.0, 10.0])) if len(front) else 0.0
    return {"done": done, "emissions": emissions, "energy": energy, "clock": clock, "spent": spent, "volume": volume}


def plan_of_hours():
    """A policy whose parameters are the shares of the hours."""

    def apply(key, params, observation):
        del key
        return params[jnp.round(HOURS - observation.hours_left).astype(jnp.int32).clip(0, HOURS - 1)]

    return Policy("given", lambda key: jnp.zeros(HOURS), apply)


@pytest.fixture(scope="module", params=["none", "one-shot"])
def simulator(request, kit):
    stage = request.param
    config = SearchSizes(devices=G, room=N, queue=Q, proposals=P, unscored=U)
    any_table = kit.table_of(*np.ones((3, N)))
    return stage, jax.jit(
        make_search(
            config, any_table, kit.scripted(N, P), plan_of_hours(), stage={"none": none, "one-shot": one_shot}[stage]()
        )
    )


def instance(kit, seed):
    rng = np.random.default_rng(seed)
    table = kit.table_of(
        rng.uniform(300, 9000, N).round(), rng.uniform(1, 99, N), rng.uniform(0.5, 9.5, N), rng.uniform(1, 99, N)
    )
    shares = rng.choice([0.0, 0.3, 0.5, 1.0], HOURS)
    scenario = make_scenario(
        rng.uniform(50, 500, HOURS),
        ScenarioConfig(
            hours=HOURS,
            carbon_budget_g=float(rng.choice([np.inf, rng.uniform(200, 5000)])),
            switch_s=float(rng.choice([0.0, 240.0])),
            score_s=float(rng.uniform(50, 1500)),
            prepare_s=float(rng.choice([0.0, rng.uniform(0, 20000)])),
            train_unscored=bool(rng.integers(2)),
        ),
        power=kit.power_of(**KW),
    )
    return table, shares, scenario


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**31 - 1))
def test_equals_the_slow_twin_and_conserves(simulator, kit, seed):
    stage, simulate = simulator
    table, shares, scenario = instance(kit, seed)
    result = simulate(jax.random.key(0), jnp.asarray(shares, jnp.float32), kit.benchmark_of(table), scenario)
    expected = twin(stage, table, shares, scenario)
    count = int(result.count)
    assert [int(r) for r in result.rows[:count]] == [r for r, _ in expected["done"]]
    np.testing.assert_allclose(result.finish_s[:count], [t for _, t in expected["done"]], rtol=1e-5)
    np.testing.assert_allclose(result.emissions_g, expected["emissions"], rtol=1e-4)
    np.testing.assert_allclose(result.energy_kwh, expected["energy"], rtol=1e-4)
    np.testing.assert_allclose(result.seconds, expected["clock"], rtol=1e-5)
    np.testing.assert_allclose(result.hypervolume, expected["volume"], rtol=1e-4)
    hours = result.intervals
    for phase, value in expected["spent"].items():
        np.testing.assert_allclose(np.sum(hours.device_s[phase]), value, rtol=1e-4, atol=0.5)
    # Conservation: every device-second is in one phase; energy is power times time; budgets hold; jobs do not vanish.
    np.testing.assert_allclose(sum(hours.device_s.values()), G * np.asarray(hours.seconds), rtol=1e-4, atol=0.5)
    kwh = sum(KW[p] * np.asarray(hours.device_s[p], float) for p in KW) + 1.5 * np.asarray(hours.device_s["supernet"])
    np.testing.assert_allclose(hours.energy_kwh, kwh / 3600, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(hours.emissions_g, hours.energy_kwh * scenario.intensity, rtol=1e-5)
    assert float(result.emissions_g) <= float(scenario.carbon_budget_g) * (1 + 1e-5)
    assert float(result.seconds) <= float(scenario.duration_s) * (1 + 1e-6)
    assert int(np.sum(hours.finished)) == count == len(set(np.asarray(result.rows[:count]).tolist()))
    needed = float(np.asarray(table.column("train_seconds"))[np.asarray(result.rows[:count])].sum())
    assert needed <= float(np.sum(hours.device_s["training"])) * (1 + 1e-4) + 1
    assert (np.diff(np.asarray(hours.hypervolume)) >= -1e-3).all()
