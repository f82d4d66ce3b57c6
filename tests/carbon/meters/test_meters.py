"""The meters themselves: files and libraries as they are on machines with counters, and on those without."""

import math
import sys
import time
import types

import jax
import pytest

from jcenas import registry
from jcenas.carbon.meters.auto import AutoMeter
from jcenas.carbon.meters.meter import WORKER, Counter, MeteredDevice
from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.meters.names import meter_from_name
from jcenas.carbon.meters.nvml import VISIBLE, NvmlMeter
from jcenas.carbon.meters.rapl import RaplMeter
from jcenas.errors import InputError
from jcenas.live.metering import of_devices

CORES = [MeteredDevice("cpu", place, "cpu") for place in range(2)]
GPUS = [MeteredDevice("gpu", place, "NVIDIA A100") for place in range(2)]
WORKERS = [MeteredDevice(WORKER, place, "worker") for place in range(3)]


def powercap(folder, zones):
    """Zones of powercap by name: (what it counts, uJ, range in uJ)."""
    for zone, (name, joules, most) in zones.items():
        (folder / zone).mkdir()
        for file, text in (("name", name), ("energy_uj", joules), ("max_energy_range_uj", most)):
            (folder / zone / file).write_text(f"{text}\n")
    return folder


def test_rapl_sums_packages_and_nothing_else(tmp_path):
    zones = {
        "intel-rapl:0": ("package-0", 3_000_000, 262_143_328_850),
        "intel-rapl:0:0": ("core", 1, 9),
        "intel-rapl:0:1": ("dram", 1, 9),
        "intel-rapl:1": ("psys", 1, 9),
        "intel-rapl:2": ("package-1", 500_000, 65_532_610_987),
        "intel-rapl-mmio:0": ("package-0", 1, 9),
    }
    meter = RaplMeter(powercap(tmp_path, zones))
    counters = meter.open(CORES)
    assert [(c.name, c.devices) for c in counters] == [("package-0", (0, 1)), ("package-1", (0, 1))]
    assert [c.wraps_j for c in counters] == pytest.approx([262_143.32885, 65_532.610987])
    assert meter.read([0, 1]) == pytest.approx([3.0, 0.5])
    (tmp_path / "intel-rapl:2" / "energy_uj").unlink()
    assert meter.read([0, 1])[0] == pytest.approx(3.0)
    assert math.isnan(meter.read([1])[0])
    meter.close()


def test_rapl_says_why_it_cannot(tmp_path):
    with pytest.raises(InputError, match="no package domain below"):
        RaplMeter(tmp_path).open(CORES)
    with pytest.raises(InputError, match="counts the CPU, and the run's devices are gpu"):
        RaplMeter(tmp_path).open(GPUS)
    powercap(tmp_path, {"intel-rapl:0": ("package-0", "no number", 9)})
    with pytest.raises(InputError, match="is unreadable"):
        RaplMeter(tmp_path).open(CORES)


def test_rapl_that_only_root_may_read_names_the_remedy(tmp_path, monkeypatch):
    root = powercap(tmp_path, {"intel-rapl:0": ("package-0", 1, 9)})

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("jcenas.carbon.meters.rapl._joules", denied)
    with pytest.raises(InputError, match=r"intel-rapl:0/energy_uj may not be read by this user; as root: chmod a\+r"):
        RaplMeter(root).open(CORES)


class Library(types.ModuleType):
    """NVML with GPUs by hand: (UUID, name, mJ, or None where it has no counter)."""

    class NVMLError(Exception):
        """As the library's."""

    def __init__(self, gpus, *, driver=True):
        super().__init__("pynvml")
        self.gpus, self.driver, self.open = gpus, driver, 0

    def nvmlInit(self):
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, place):
        return place

    def nvmlDeviceGetUUID(self, handle):
        return self.gpus[handle][0].encode()  # as older versions did

    def nvmlDeviceGetName(self, handle):
        return self.gpus[handle][1]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.gpus[handle][2] is None:
            raise self.NVMLError("Not Supported")
        return self.gpus[handle][2]


@pytest.fixture
def nvml(monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)

    def install(*gpus, **options):
        library = Library(list(gpus), **options)
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return library

    return install


A100S = ("GPU-a1", "NVIDIA A100", 7_000), ("GPU-b2", "NVIDIA A100", 9_500), ("GPU-c3", "NVIDIA A100", 100)


def test_nvml_has_a_counter_a_gpu(nvml):
    library, meter = nvml(*A100S), NvmlMeter()
    counters = meter.open(GPUS)
    assert [(c.name, c.devices) for c in counters] == [("NVIDIA A100", (0,)), ("NVIDIA A100", (1,))]
    assert meter.read([0, 1]) == [7.0, 9.5]
    library.gpus[1] = ("GPU-b2", "NVIDIA A100", None)  # fell off the bus
    assert meter.read([0]) == [7.0]
    assert math.isnan(meter.read([1])[0])
    meter.close()
    meter.close()
    assert library.open == 0


@pytest.mark.parametrize(
    ("shown", "joules"), [("2,0", [0.1, 7.0]), ("GPU-b,GPU-c3", [9.5, 0.1]), ("1,2,-1,0", [9.5, 0.1])]
)
def test_nvml_counts_the_gpus_that_cuda_shows(nvml, monkeypatch, shown, joules):
    nvml(*A100S)
    monkeypatch.setenv(VISIBLE, shown)
    meter = NvmlMeter()
    meter.open(GPUS)
    assert meter.read([0, 1]) == joules


def test_workers_share_all_gpus(nvml):
    nvml(*A100S)
    assert [c.devices for c in NvmlMeter().open(WORKERS)] == [(0, 1, 2)] * 3


@pytest.mark.parametrize(
    ("gpus", "shown", "message"),
    [
        ((("GPU-a", "NVIDIA A100", None), A100S[0]), None, "has no energy counter .Not Supported"),
        ((A100S[0], ("GPU-z", "NVIDIA T4", 5)), None, "GPU 1 is a NVIDIA A100 to JAX and a NVIDIA T4 to NVML; set"),
        ((A100S[0],), None, "NVML shows 1 GPUs, and the run uses number 1"),
        (A100S, "MIG-3", "names a part of a GPU"),
    ],
)
def test_nvml_says_why_it_cannot(nvml, monkeypatch, gpus, shown, message):
    library = nvml(*gpus)
    if shown:
        monkeypatch.setenv(VISIBLE, shown)
    with pytest.raises(InputError, match=message):
        NvmlMeter().open(GPUS)
    assert library.open == 0


def test_nvml_without_a_driver_a_library_or_gpus(nvml, monkeypatch):
    nvml(driver=False)
    with pytest.raises(InputError, match=r"no NVIDIA driver answers \(Driver Not Loaded\)"):
        NvmlMeter().open(GPUS)
    nvml()
    with pytest.raises(InputError, match="no GPU is visible"):
        NvmlMeter().open(WORKERS)
    with pytest.raises(InputError, match="counts NVIDIA GPUs, and the run's devices are cpu"):
        NvmlMeter().open(CORES)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(InputError, match=r"pip install 'jcenas\[meter\]'"):
        NvmlMeter().open(GPUS)


def test_auto_takes_what_there_is(nvml, tmp_path):
    library, root = nvml(*A100S[:1]), powercap(tmp_path, {"intel-rapl:0": ("package-0", 2_000_000, 10**12)})
    meter = AutoMeter([NvmlMeter(), RaplMeter(root)])
    assert [c.name for c in meter.open(WORKERS)] == ["NVIDIA A100", "package-0"]
    assert (meter.name, meter.read([0, 1]), meter.read([1])) == ("nvml + rapl", [7.0, 2.0], [2.0])
    assert meter.measures == f"{NvmlMeter.measures} and {RaplMeter.measures}"
    meter.close()
    assert library.open == 0
    meter = AutoMeter([NvmlMeter(), RaplMeter(root)])
    assert [c.name for c in meter.open(CORES)] == ["package-0"]
    with pytest.raises(InputError, match=r"meter nvml counts NVIDIA GPUs.*; meter rapl: no package domain"):
        AutoMeter([NvmlMeter(), RaplMeter(tmp_path / "nothing")]).open(CORES)


OWN = """
from jcenas.carbon.meters.meter import Counter


class Plug:
    name, measures = "plug", "the whole machine at its wall plug"

    def open(self, devices):
        return [Counter("plug", tuple(range(len(devices))))]

    def read(self, places):
        return [42.0]

    def close(self):
        pass


def make_meter():
    return Plug()
"""


def test_a_file_of_the_users_own(tmp_path):
    file = tmp_path / "plug.py"
    file.write_text(OWN)
    meter = meter_from_name(str(file))
    assert (meter.name, meter.open(CORES), meter.read([0])) == ("plug", [Counter("plug", (0, 1))], [42.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file; name one of none, auto, nvml, rapl"),
        ("make = 1", r"it defines no make_meter\(\)"),
        ("make_meter = dict", "returns lacks name, measures, open, read, close"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines; mend the file"),
    ],
)
def test_a_file_that_makes_no_meter(tmp_path, text, message):
    file = tmp_path / "meter.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message) as said:
        meter_from_name(str(file))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", list(registry.built_in("meter")))
def test_every_meter_of_the_registry_keeps_the_contract(name):
    """A machine without its counters refuses in one line; one with them counts up, in time that does not matter."""
    meter = meter_from_name(name)
    assert isinstance(meter.measures, str)
    devices = GPUS[:1] if name == "nvml" else CORES
    try:
        metering = Metering(meter, devices)
    except InputError as error:
        meter.close()
        reason = str(error)
    else:
        reason = ""
    assert "\n" not in reason
    assert not (reason and name == "none")
    if reason:
        pytest.skip(f"this machine has no such counter: {reason}")
    metering.begin([0])
    first = [metering.take(0) for _ in range(100)]
    began = time.perf_counter()
    for _ in range(100):
        metering.take(0)
    assert (time.perf_counter() - began) / 100 < 0.01
    assert all(joules is None or joules >= 0 for joules in first)
    metering.close()


@pytest.mark.accelerator
def test_a_gpu_counts_up_and_a_read_takes_a_hundredth_of_a_chunk_of_steps():
    """Half a second of matrix products; a chunk of fifty steps takes a tenth of a second at least."""
    device = jax.local_devices()[0]
    if device.platform != "gpu":
        pytest.skip(f"needs an NVIDIA GPU, JAX has {device.platform}")
    pytest.importorskip("pynvml", reason="needs the extra `meter`")
    metering = Metering(NvmlMeter(), of_devices([device]))
    metering.begin([0])
    x = jax.numpy.ones((4096, 4096))
    multiply = jax.jit(lambda x: x @ x / 4096)
    multiply(x).block_until_ready()
    metering.take(0)
    began = time.perf_counter()
    while time.perf_counter() - began < 0.5:
        multiply(x).block_until_ready()
    seconds = time.perf_counter() - began
    joules = metering.take(0)
    began = time.perf_counter()
    for _ in range(20):
        metering.take(0)
    read_s = (time.perf_counter() - began) / 20
    metering.close()
    assert 20 < joules / seconds < 2000  # W
    assert read_s < 1e-3
