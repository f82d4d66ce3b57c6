"""Which code a record was made with."""

import pytest

from experiments.lib import code_used


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one module."""
    monkeypatch.setattr(code_used, "ROOT", tmp_path)
    code_used._said.cache_clear()
    (tmp_path / "jcenas").mkdir()
    (tmp_path / "jcenas" / "__init__.py").write_text("")

    def write(text):
        (tmp_path / "jcenas" / "one.py").write_text(text)
        code_used._said.cache_clear()
        return code_used.digest(["jcenas", "jcenas.one"])

    yield write
    code_used._said.cache_clear()


def test_a_digest_counts_what_is_said_and_not_how(project):
    first = project('"""Doc."""\n\n\ndef f(x):\n    """Double."""\n    return 2 * x\n')
    assert project("def f(x):\n    return (2\n        * x)  # a comment\n") == first
    assert project("def f(x):\n    return 3 * x\n") != first


def test_older_is_what_has_changed_or_is_gone(project):
    made = {"digest": project("A = 1\n"), "modules": "jcenas jcenas.one"}
    assert not code_used.is_older(made)
    project("A = 2\n")
    assert code_used.is_older(made)
    assert code_used.is_older(made | {"modules": "jcenas jcenas.gone"})
    assert not code_used.is_older(None)  # a record that does not say


def test_loaded_modules_count_and_all_where_other_processes_ran_them():
    own, whole = code_used.used(), code_used.used(whole_package=True)
    assert "experiments.lib.code_used" in own["modules"].split()
    assert {"jcenas", "jcenas.cli.search", "jcenas.live.loop"} <= set(whole["modules"].split())


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert code_used.commit(tmp_path) is None
