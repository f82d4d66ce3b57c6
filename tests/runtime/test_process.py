import math
import os

import pytest

from jcenas.runtime import process


def groups(folder, files, lines):
    """A file of the process's groups, and a folder of mounts with the files."""
    proc, root = folder / "cgroup", folder / "mounts"
    proc.write_text(lines)
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return proc, root


@pytest.mark.parametrize(
    ("files", "lines", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", math.inf),
        ({"pod/app/cpu.max": "max 100000\n", "pod/cpu.max": "400000 100000\n"}, "0::/pod/app\n", 4.0),
        ({"pod/app/cpu.max": "300000 100000\n", "pod/cpu.max": "800000 100000\n"}, "0::/pod/app\n", 3.0),
        ({"cpu.max": "200000 100000\n"}, "0::/seen/from/the/host\n", 2.0),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu:/\n1:name=systemd:/\n", 2.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu:/\n", math.inf),
        (
            {"cpu,cpuacct/d/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/d/cpu.cfs_period_us": "100000\n"},
            "4:cpu,cpuacct:/d\n0::/\n",
            0.5,
        ),
        ({}, "", math.inf),
        ({"cpu.max": "nonsense\n"}, "0::/\nnonsense\n", math.inf),
    ],
)
def test_quota_by_hand(files, lines, expected, tmp_path):
    assert process.cgroup_quota(*groups(tmp_path, files, lines)) == expected


def test_the_smallest_of_affinity_quota_and_work(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 32)
    monkeypatch.setattr(process, "cgroup_quota", lambda: math.inf)
    assert process.cpu_count() == 6
    assert process.cpu_count(work=4) == 4
    monkeypatch.setattr(process, "cgroup_quota", lambda: 2.5)
    assert process.cpu_count(work=4) == 2
    monkeypatch.setattr(process, "cgroup_quota", lambda: 0.5)
    assert process.cpu_count(work=4) == 1


def test_devices_of_a_running_back_end_stay():
    import jax

    before = jax.devices()
    process.use_cpu_devices(work=1)
    assert jax.devices() == before
