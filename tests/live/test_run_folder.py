"""What is refused when a run folder is opened again, each in one line."""

import json

import pytest

from jcenas.errors import InputError
from jcenas.live import run_folder
from jcenas.live.config import SearchConfig
from jcenas.live.record import read_record


@pytest.fixture
def folder(tmp_path):
    record = {"config": SearchConfig(name="a").to_json(), "versions": {"jcenas": "0.1.0"}}
    (tmp_path / "config.json").write_text(json.dumps(record))
    return tmp_path


def change(folder, edit):
    record = json.loads((folder / "config.json").read_text())
    edit(record)
    (folder / "config.json").write_text(json.dumps(record))


def refusal(folder):
    with pytest.raises(InputError) as said:
        run_folder.reopen(folder)
    assert "\n" not in str(said.value)
    return str(said.value)


def test_a_folder_is_opened_with_its_configuration_and_by_one_process_only(folder):
    opened, config = run_folder.reopen(folder)
    assert config == SearchConfig(name="a")
    assert "another jcenas process works on this run" in refusal(folder)
    opened.close()
    run_folder.reopen(folder)[0].close()


def test_a_folder_of_another_version_is_refused_by_its_version(folder):
    change(folder, lambda record: record["config"].update(queue=6, window=24))
    said = refusal(folder)
    assert "made by jcenas of version 0.1.0" in said
    assert "(queue, window)" in said


@pytest.mark.parametrize("part", ["config", "versions"])
def test_a_damaged_record_is_named(folder, part):
    change(folder, lambda record: record.pop(part))
    assert "config.json is damaged" in refusal(folder)


def test_no_run_folder(tmp_path):
    assert "is no run folder" in refusal(tmp_path)


def made(path, config, **parts):
    known = {"devices": ["cpu"], "trace": {}, "about": {"images": {}}, "fill": lambda part: None}
    return run_folder.create(path, config, **known | parts)


def test_of_two_runs_of_one_name_the_second_is_refused_and_harms_nothing(tmp_path):
    config = SearchConfig(name="a", runs=tmp_path)
    path, folders = run_folder.planned_path(config), []

    def meanwhile(part):
        folders.append(made(path, config, devices=["the first"]))

    with pytest.raises(InputError, match="a exists; go on with it by --resume") as said:
        made(path, config, devices=["the second"], fill=meanwhile)
    assert "disk" not in str(said.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert read_record(path)["devices"] == ["the first"]
    folders[0].close()


def test_runs_without_a_name_that_begin_in_one_second_have_a_folder_each(tmp_path):
    config = SearchConfig(runs=tmp_path)
    planned, folders = run_folder.planned_path(config), []
    for _ in range(3):
        folders.append(made(planned, config))
    assert len({folder.path for folder in folders}) == 3
    for folder in folders:
        assert read_record(folder.path)["devices"] == ["cpu"]
        folder.close()


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt(), ValueError("no"), OSError(28, "full")])
def test_a_start_that_fails_leaves_nothing(tmp_path, error):
    config = SearchConfig(name="a", runs=tmp_path / "new" / "runs")

    def fill(part):
        raise error

    with pytest.raises(InputError if isinstance(error, OSError) else type(error)):
        made(run_folder.planned_path(config), config, fill=fill)
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_older_than_the_checkpoints_is_refused(folder):
    opened, _ = run_folder.reopen(folder)
    for name in ("candidate-7", "candidate-12.part", "candidate-x", "supernet"):
        (folder / "checkpoints" / name).mkdir(parents=True)
    opened.check_known(7)
    with pytest.raises(InputError, match=r"candidate-7 is of a candidate that run\.db does not know") as said:
        opened.check_known(6)
    assert "run.db-wal was not copied" in str(said.value)
    assert "delete the checkpoints above candidate-6" in str(said.value)
    opened.close()
