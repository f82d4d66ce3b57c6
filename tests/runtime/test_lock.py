"""Locks of files where `fcntl` is, and where it is not: Windows by imitation."""

import errno
import importlib
import sys
import types

import pytest

from jcenas.runtime import lock


@pytest.fixture
def module_of(monkeypatch):
    """The lock as it is on a system with these modules, None for those that it lacks."""

    def of(**modules):
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        return importlib.reload(lock)

    yield of
    monkeypatch.undo()
    importlib.reload(lock)


def test_the_second_does_not_get_it(tmp_path):
    with (tmp_path / "a").open("w") as one, (tmp_path / "a").open("w") as two:
        lock.lock_file(one)
        with pytest.raises(BlockingIOError):
            lock.lock_file(two)
        one.close()
        lock.lock_file(two)


def test_windows_has_locks_of_its_own(module_of, tmp_path):
    taken = []

    def locking(descriptor, mode, size):
        if taken:
            raise PermissionError(errno.EACCES, "Permission denied")
        taken.append((descriptor, mode, size))

    windows = module_of(fcntl=None, msvcrt=types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    with (tmp_path / "a").open("w") as file:
        windows.lock_file(file)
        assert taken == [(file.fileno(), 2, 1)]
        with pytest.raises(BlockingIOError, match="Permission denied"):
            windows.lock_file(file)


def test_a_system_without_locks_goes_without(module_of, tmp_path):
    with (tmp_path / "a").open("w") as file:
        module_of(fcntl=None, msvcrt=None).lock_file(file)
