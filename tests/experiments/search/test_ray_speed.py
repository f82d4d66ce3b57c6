"""The study of what a search over Ray costs beside its work."""

import pytest

from experiments.search import ray_speed

LOCAL = ["local", 2, 24, 100.0, 50.0, None, None]
MANY = ["virtual devices, ray", 64, 10_000, None, 200.0, None, None]


def test_the_verdict_by_hand():
    plain = ["virtual devices, no calls", 64, 10_000, None, 100.0, None, None]
    remote = ["ray", 2, 24, 80.0, 41.0, 2.0, 0.025]
    said = ray_speed.verdict([LOCAL, remote, plain, MANY])
    assert said.startswith("met: calls take 2.5% of the device time, a device-second lasts +2.5% on the wall")
    assert said.endswith("10000 evaluations on 64 devices in 200 s (at most 600 s)")
    for bad in (
        [LOCAL, [*remote[:6], 0.06], plain, MANY],
        [LOCAL, ["ray", 2, 24, 80.0, 43.0, 2.0, 0.025], plain, MANY],
        [LOCAL, remote, plain, [*MANY[:4], 601.0, None, None]],
    ):
        assert ray_speed.verdict(bad).startswith("missed")


def test_calls_of_one_of_many_devices_go_to_their_actor():
    said = []

    class Call:
        def __init__(self, name):
            self.name = name

        def remote(self, *arguments):
            said.append((self.name, *arguments))

    class Actor:
        open, do = Call("open"), Call("do")

    one = ray_speed.of_one(Actor, 7)
    one.open.remote("folder")
    one.do.remote("enter", 0, 3)
    assert said == [("open", 7, "folder"), ("do", 7, "enter", 0, 3)]


@pytest.mark.study
def test_smoke():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'jcenas[ray]'")
    rows = ray_speed.main(["--smoke"])
    assert [row[2] >= 4 for row in rows] == [True] * 4
