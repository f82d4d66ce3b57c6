import os
import subprocess
import sys

import pytest

from jcenas.cli.printing import print_table

ZONES = [sys.executable, "-m", "jcenas.cli", "trace", "--zones"]


def shell(command, **options):
    words = " ".join(command)
    return subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False, **options)


def test_columns_by_hand(capsys):
    print_table(("name", "g"), [("a", "1"), ("longer", "22")])
    print_table(("", ""), [("x", "")])
    print_table(("", ""), [])
    assert capsys.readouterr().out == "name    g\na       1\nlonger  22\nx\n"


def test_a_reader_that_leaves_is_no_fault():
    done = shell([*ZONES, "| head -1; exit ${PIPESTATUS[0]}"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("zone ")


@pytest.mark.parametrize("arguments", [["trace", "--zones"], ["list", "policy"], ["data", "list"], ["--help"]])
def test_a_closed_output_is_one_line(arguments):
    done = shell([sys.executable, "-m", "jcenas.cli", *arguments, ">&-"])
    assert (done.returncode, done.stderr) == (1, "jcenas: standard output is closed\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["trace", "--zones"], ["data", "list"], ["--help"]])
def test_a_full_output_is_one_line(arguments):
    done = shell([sys.executable, "-m", "jcenas.cli", *arguments, ">/dev/full"])
    assert (done.returncode, done.stderr) == (1, "jcenas: standard output: No space left on device\n")


def test_closed_errors_do_not_land_in_the_output():
    done = shell([sys.executable, "-m", "jcenas.cli", "report", "nowhere", "2>&-"])
    assert (done.returncode, done.stdout) == (2, "")
