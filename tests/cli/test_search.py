import pytest

from jcenas.cli.main import command_of
from jcenas.cli.printing import OutputError


@pytest.mark.parametrize(
    ("flags", "folder"), [(["--name", "mine"], "runs/mine"), (["--resume", "runs/old"], "runs/old"), ([], "runs/NAME")]
)
def test_an_output_that_breaks_says_how_to_go_on(flags, folder, monkeypatch):
    def broken(*_, **__):
        raise OutputError("standard output: nobody reads it any more", harmless=True)

    monkeypatch.setattr("jcenas.live.terminal.run", broken)
    with pytest.raises(OutputError, match=f"nobody reads it any more; .*jcenas search --resume {folder}$") as said:
        command_of(["search", *flags, "--quiet"]).run()
    assert not said.value.harmless  # the search is cut short: an exit code, and a line
