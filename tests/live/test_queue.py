import math

from jcenas.live.queue import ProposalQueue, Waiting


def waiting(proposal, error, cost):
    return Waiting(proposal, (proposal,) * 6, error, cost)


def test_fewest_dominators_come_first_then_the_smaller_error():
    queue = ProposalQueue(10)
    # 1 and 2 are non-dominated; 3 has one dominator (1); 4 has three
    queue.push([waiting(4, 0.5, 5.0), waiting(3, 0.2, 3.0), waiting(2, 0.4, 1.0), waiting(1, 0.1, 2.0)])
    assert [queue.pop().proposal for _ in range(4)] == [1, 2, 3, 4]
    assert len(queue) == 0


def test_the_worst_falls_out():
    queue = ProposalQueue(2)
    assert queue.push([waiting(1, 0.5, 5.0), waiting(2, 0.4, 4.0)]) == []
    out = queue.push([waiting(3, 0.3, 6.0), waiting(4, 0.1, 1.0)])
    assert {w.proposal for w in out} == {1, 3} or {w.proposal for w in out} == {1, 2}
    assert queue.pop().proposal == 4
    assert len(queue) == 1


def test_a_later_better_proposal_overtakes():
    queue = ProposalQueue(5)
    queue.push([waiting(1, 0.5, 5.0)])
    queue.push([waiting(2, 0.1, 1.0)])
    assert [w.proposal for w in queue.waiting] == [2, 1]


def test_ties_go_to_the_older_and_nan_counts_as_worst():
    queue = ProposalQueue(5)
    queue.push([waiting(2, 0.5, 1.0), waiting(1, 0.5, 1.0), waiting(3, math.nan, 0.5)])
    assert [w.proposal for w in queue.waiting] == [1, 2, 3]
    assert queue.push([]) == []
