"""`jcenas ecnas` from the command line's parser to the printed rows, on the real 4V table."""

import pytest

from jcenas import cli
from jcenas.errors import InputError

CHAIN = "010001000:input,conv3x3-bn-relu,output"


def test_a_query_needs_a_cell():
    with pytest.raises(InputError, match="needs a CELL"):
        cli.parse(["ecnas", "query"])


@pytest.mark.slow
@pytest.mark.data
def test_query_front_and_search(data, monkeypatch, capsys):
    monkeypatch.setenv("JCENAS_DATA", str(data))
    assert cli.parse(["ecnas", "query", CHAIN, "--epochs", "12"])() == 0
    printed = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
    assert printed["parameters"] == "10,177,674"
    assert float(printed["energy_kwh"]) > 0
    assert cli.parse(["ecnas", "query", CHAIN, "--metric", "parameters"])() == 0
    assert "10,177,674" in capsys.readouterr().out
    assert cli.parse(["ecnas", "front"])() == 0
    front = capsys.readouterr().out.splitlines()
    assert len(front) == 1 + 34
    assert [sum(mark in line for line in front) for mark in ("least energy", "best accuracy", "knee")] == [1, 1, 1]
    assert cli.parse(["ecnas", "search", "--evaluations", "400"])() == 0
    *found, said = capsys.readouterr().out.splitlines()
    assert found == front  # 400 evaluations see all 364 points
    assert "400 evaluations, 400 known, 364 different; hypervolume 93.2" in said
    for arguments, message in (
        (["query", CHAIN, "--epochs", "5"], "no budget of 5 epochs; it has 4, 12, 36, 108"),
        (["query", "0110:input,output"], "upper-triangular"),
        (["search", "--optimizer", "magic"], "unknown optimizer 'magic'"),
    ):
        with pytest.raises(InputError, match=message):
            cli.parse(["ecnas", *arguments])()
