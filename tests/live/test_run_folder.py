"""What is refused when a run folder is opened again, each in one line."""

import json

import pytest

from jcenas.errors import InputError
from jcenas.live import run_folder
from jcenas.live.config import SearchConfig


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
