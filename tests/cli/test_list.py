from jcenas import registry
from jcenas.cli.main import command_of


def test_all_kinds_with_their_names(capsys):
    assert command_of(["list"]).run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.split()[1:2] == ["from"]] == [
        kind for kind in registry.KINDS if registry.entries(kind)
    ]
    for kind in registry.KINDS:
        for name in registry.names(kind):
            assert any(line.split()[:2] == [name, "jcenas"] for line in lines), name


def test_one_kind(capsys):
    assert command_of(["list", "optimizer"]).run() == 0
    out = capsys.readouterr().out
    assert "lamoo " in out
    assert "heuristic" not in out
