"""When one job should run before its deadline: the cheapest schedule of work that may be paused, or must not be.

Time until the deadline is cut into steps of one length, c_k what running through step k costs (its intensity: a job has
one power). A job needs n steps. With x_k in {0, 1}, and e the step in which the last of them ends,

    minimise  sum_k c_k x_k + i sum_{k <= e} c_k (1 - x_k)   subject to   sum_k x_k = n + p * (pauses before e)

i is the power of waiting over that of running, p the steps of work that a pause costs (to load again what was loaded).
Solved exactly by dynamic programming over (step, work that is left, running or not), O(K^2) for K steps. Of equal
schedules the one that runs earlier, and pauses less, is taken.

With p = i = 0 the cheapest n steps are the optimum (Dantzig 1957, as in `jcenas.alloc.planning`).
"""

import numpy as np

# Tie-breaks, as shares of the dearest step: far above rounding, far below what matters.
_OF_A_WAIT, _OF_A_PAUSE = 1e-9, 1e-6


def cheapest_schedule(
    cost: np.ndarray,
    work: int,
    *,
    running: bool,
    pause_steps: int = 0,
    pause_cost: float = 0.0,
    idle_share: float = 0.0,
    interruptible: bool = True,
) -> np.ndarray:
    """In which steps to run, bool (K,); all False from the end of the job on.

    Args:
      cost: of running through each step, not negative, float (K,).
      work: n, steps that are left to run; where it is K or more, every step runs.
      running: whether the job runs when the first step begins; then not to run in it is a pause.
      pause_steps: p, further steps that every pause costs.
      pause_cost: what every pause costs beside them, in units of `cost`: of less than a step of work.
      idle_share: i, power while the job waits over its power while it runs, in [0, 1].
      interruptible: whether a job that runs may be paused.
    """
    steps = len(cost)
    if work >= steps:
        return np.ones(steps, bool)
    largest = max(float(np.max(cost)), np.finfo(float).tiny)
    standing = idle_share * np.asarray(cost, float) + _OF_A_WAIT * largest
    of_a_pause = pause_cost + _OF_A_PAUSE * largest
    go_on, start = _decisions(np.asarray(cost, float), standing, pause_steps, of_a_pause, interruptible)
    plan = np.zeros(steps, bool)
    left, on = work, running
    for step in range(steps):
        if left == 0:
            break
        goes = go_on[step, left] if on else start[step, left]
        if goes:
            left -= 1
        elif on:
            left += pause_steps
        plan[step] = on = bool(goes)
    return plan


def _decisions(
    cost: np.ndarray, standing: np.ndarray, pause_steps: int, pause_cost: float, interruptible: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether to run in a step with so much work left, bool (K, K + 1): of a job that runs, and of one that waits."""
    steps = len(cost)
    on, off = np.full((2, steps + 1), np.inf)  # least cost to the end by work that is left
    on[0] = off[0] = 0.0
    run, wait, halt = np.full((3, steps + 1), np.inf)
    resumed = off[pause_steps:] if interruptible else off[:0]
    go_on, start = np.empty((2, steps, steps + 1), bool)
    for step in range(steps - 1, -1, -1):
        np.add(on[:-1], cost[step], out=run[1:])
        np.add(off, standing[step], out=wait)
        np.add(resumed, standing[step] + pause_cost, out=halt[: len(resumed)])
        np.less_equal(run, halt, out=go_on[step])
        np.less_equal(run, wait, out=start[step])
        np.minimum(run, halt, out=on)
        np.minimum(run, wait, out=off)
        on[0] = off[0] = 0.0
    return go_on, start


def step_costs(hourly: np.ndarray, *, begin_h: float, step_h: float, steps: int) -> np.ndarray:
    """What running through each of some equal steps costs at the intensities of hours, g/kWh * h, float64 (steps,).

    Args:
      hourly: intensity of each hour, g/kWh (H,); what lies beyond them repeats the last.
      begin_h: begin of the first step, in hours since the begin of the first hour.
      step_h: length of a step.
      steps: how many.
    """
    borders = begin_h + step_h * np.arange(steps + 1)
    hourly = np.pad(np.asarray(hourly, float), (0, max(0, int(np.ceil(borders[-1])) - len(hourly))), mode="edge")
    until = np.interp(borders, np.arange(len(hourly) + 1), np.concatenate(([0.0], np.cumsum(hourly))))
    return np.diff(until)
