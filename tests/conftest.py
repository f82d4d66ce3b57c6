"""A strict session: silent broadcasting, old-style keys and every warning are errors; four CPU devices."""

import collections
import dataclasses
import http.server
import json
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads stall where workers share the cores; before JAX loads
os.environ.setdefault("GLIBC_TUNABLES", "")  # set, so that no command replaces this process by one with huge pages
# Workers, and the commands that they run, share what they compile; set, so that no command uses the user's cache.
OWN_CACHE = "" if "JAX_COMPILATION_CACHE_DIR" in os.environ else tempfile.mkdtemp(prefix="jcenas-tests-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", OWN_CACHE)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import jaxlib.xla_client
import numpy as np
import pytest

MOST_BYTES = 2_500_000_000

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_num_cpu_devices", 4)
# Most of the tests' time is compilation, and two fifths of that is LLVM's optimisation of programs that run for an
# instant; of the rest, a third is spared by the older of XLA:CPU's two ways to write a fused loop (a flag of XLA, which
# ends the process where it does not know one: set for the version that it was tried with). What a test starts as a
# process is compiled as users do it, but for `compiled_soon`; JAX_DISABLE_MOST_OPTIMIZATIONS=0 makes all so.
SOON = {}
if "JAX_DISABLE_MOST_OPTIMIZATIONS" not in os.environ:
    jax.config.update("jax_disable_most_optimizations", True)
    SOON["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    if jax.__version__.startswith("0.10."):
        flags = os.environ.get("XLA_FLAGS")
        SOON["XLA_FLAGS"] = f"{flags or ''} --xla_cpu_use_fusion_emitters=false".strip()
        os.environ["XLA_FLAGS"] = SOON["XLA_FLAGS"]
        assert jaxlib.xla_client.CompileOptions().executable_build_options.debug_options is not None  # reads them
        del os.environ["XLA_FLAGS"]  # not for the processes that tests start
        if flags is not None:
            os.environ["XLA_FLAGS"] = flags


def data_folder() -> pathlib.Path | None:
    """The prepared data folder that JCENAS_DATA names, or None."""
    folder = os.environ.get("JCENAS_DATA")
    return pathlib.Path(folder) if folder and pathlib.Path(folder).is_dir() else None


def pytest_collection_modifyitems(items):
    # Files with the most slow tests go first, so that the workers end together.
    slow = collections.Counter(item.path for item in items if "slow" in item.keywords)
    items.sort(key=lambda item: -slow[item.path])
    if data_folder() is None:
        reason = pytest.mark.skip(reason="JCENAS_DATA does not name a folder with the prepared data")
        for item in items:
            if "data" in item.keywords:
                item.add_marker(reason)


def pytest_runtest_setup(item):
    marker = item.get_closest_marker("devices")
    if marker and jax.local_device_count() < marker.args[0]:
        pytest.skip(f"needs {marker.args[0]} devices, JAX has {jax.local_device_count()}: {jax.default_backend()}")


def pytest_configure(config):
    # From the collection on, and not in pyproject.toml: what a plugin says while it is configured ends no session.
    config.addinivalue_line("filterwarnings", "error")


def pytest_unconfigure():
    if OWN_CACHE:  # made by this process, not by the one that began the session
        shutil.rmtree(OWN_CACHE, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Drop the compiled programs of a module once they fill the memory: no other module calls them."""
    yield
    pages = pathlib.Path("/proc/self/statm")
    if pages.exists() and int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") > MOST_BYTES:  # Linux only
        jax.clear_caches()


@pytest.fixture
def optimised():
    """Programs are optimised, as for users: XLA:CPU (0.10.2) gets the gradients of some wrong at its lowest level."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session")
def compiled_soon():
    """The environment of a process that compiles as the session does, for tests of something else."""
    return os.environ | SOON


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """The prepared data folder; only for tests marked `data`."""
    folder = data_folder()
    assert folder is not None, "mark the test with @pytest.mark.data"
    return folder


@pytest.fixture
def interruptible():
    """Ctrl-C works, also where the tests run in the background of a shell, which ignores it for them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# A scripted HTTP server on 127.0.0.1 that plays the carbon services.


@dataclasses.dataclass
class Answer:
    """One response: `body` is sent as JSON unless it is bytes."""

    body: object = None
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    delay_s: float = 0.0
    claimed_length: int | None = None


class Service:
    """Answers the requests in turn from a script, or through a function of the path; keeps what was asked."""

    def __init__(self):
        self.script: list[Answer] = []
        self.respond = None
        self.requests: list[tuple[str, dict]] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.requests.append((self.path, dict(self.headers)))
                answer = service.respond(self.path) if service.respond else service.script.pop(0)
                time.sleep(answer.delay_s)
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(answer.claimed_length or len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the client gave up waiting

            def log_message(self, format, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    service = Service()
    yield service
    service.close()


@pytest.fixture
def answer():
    return Answer
