"""The session itself: what it is strict about, and what it bears."""

import pathlib
import subprocess
import sys
import warnings

import pytest


def test_a_warning_is_an_error():
    with pytest.raises(UserWarning, match="loud"):
        warnings.warn("loud", stacklevel=1)


@pytest.mark.slow
def test_a_plugin_that_warns_while_it_is_configured_ends_no_session(tmp_path):
    # As pytest-benchmark does beside xdist.
    (tmp_path / "loud.py").write_text(
        "import warnings\ndef pytest_configure(config):\n    warnings.warn('benchmarks are disabled')\n"
    )
    here = str(pathlib.Path(__file__))
    command = [sys.executable, "-m", "pytest", "-p", "loud", "-n", "1", "-q", "-m", "not slow", here]
    paths = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pytest; sys.exit(pytest.main({command[3:]!r}))"
    done = subprocess.run([sys.executable, "-c", paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
