"""The entries that come with this package, each one line of help beside the place of its factory."""

import functools
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from jcenas.registry.entry import Argument, Entry


@functools.cache
def built_in(kind: str) -> dict[str, Entry]:
    """Built-in entries of a kind by name, in the order in which they are shown."""
    return {entry.name: entry for entry in _all() if entry.kind == kind}


def _all() -> Iterator[Entry]:
    yield from _optimizers()
    yield from _policies()
    yield from _stages()
    yield from _problems()
    yield from _tables()
    yield from _images()
    yield from _providers()
    yield from _executors()
    yield from _meters()
    yield from _proxies()
    yield from _costs()


def _entry(kind: str, name: str, target: str, text: str, argument: Argument | None = None, **options: Any) -> Entry:
    return Entry(kind, name, f"jcenas.{target}", text, argument, options=MappingProxyType(options))


def _optimizers() -> Iterator[Entry]:
    """Optimisers; options: `wide`, an ask for more takes hardly longer; `growing`, it takes longer as more is known."""
    one = functools.partial(_entry, "optimizer")
    yield one("lamoo", "moo.lamoo:lamoo", "LaMOO: uniform draws in the region that a partition learns", wide=True)
    yield one("lamoo-ehvi", "moo.lamoo:lamoo_ehvi", "LaMOO: expected improvement in its region", growing=True)
    yield one("lamoo-cmaes", "moo.lamoo:lamoo_cmaes", "LaMOO: a CMA-ES in its region")
    yield one("nsga2", "moo.nsga2:nsga2_by_reference", "NSGA-II: sorting by fronts and crowding")
    yield one("semoa", "moo.semoa:semoa", "SEMOA: EC-NAS's evolution of the non-dominated samples")
    yield one("qehvi", "moo.bayesian:bayesian", "Bayesian: expected hypervolume improvement", growing=True)
    yield one("qnehvi", "moo.bayesian:qnehvi", "Bayesian: noisy expected hypervolume improvement", growing=True)
    yield one("random", "moo.random_search:random_by_reference", "uniform random search without repetition", wide=True)


def _policies() -> Iterator[Entry]:
    one = functools.partial(_entry, "policy")

    def share(default: float | None = None) -> Argument:
        name = "SHARE" if default is None else "FRACTION"
        return Argument(name, default, required=default is None, limits=(0.0, 1.0))

    home = "alloc.builtin"
    yield one("heuristic", f"{home}:heuristic", "sampling share = (CI - min) / (max - min) over the window")
    yield one(
        "heuristic-queue", f"{home}:heuristic_queue", "the heuristic; an empty queue samples, a full one evaluates"
    )
    yield one("threshold", f"{home}:threshold_at", "evaluate below this fraction of the window's range", share(0.5))
    yield one(
        "threshold-queue",
        f"{home}:threshold_queue",
        "the threshold; an empty queue samples, a full one evaluates",
        share(0.5),
    )
    yield one(
        "plan",
        f"{home}:plan_of",
        "evaluate in the hours that the forecast calls cleanest, at most this fraction of them",
        share(0.5),
    )
    yield one(
        "pace",
        f"{home}:pace_of",
        "the cleanest hours on this share of the devices, more if that leaves carbon over",
        share(0.25),
    )
    yield one(
        "price",
        f"{home}:price_of",
        "the cleanest hours that the carbon left pays, more devices in cleaner ones; without a budget this fraction",
        share(0.5),
    )
    yield one(
        "oracle", f"{home}:oracle_of", "the plan with the true future, which no real run knows: a bound", share(0.5)
    )
    yield one(
        "ppo",
        "alloc.learned:default_policy",
        "a network trained by PPO on NAS-Bench-201, 8 devices, 80 h, released accounting",
    )
    yield one("static", f"{home}:static_at", "this evaluation share in every hour", share())
    yield one("evaluate-all", f"{home}:evaluate_all", "all devices train candidates")
    yield one(
        "sample-all",
        f"{home}:sample_all",
        "all devices propose and score until this fraction of the time, then all train",
        share(0.75),
    )


def _stages() -> Iterator[Entry]:
    one = functools.partial(_entry, "stage")
    home = "engine.stages"
    yield one("none", f"{home}:none", "proposals are trained as they come")
    yield one("one-shot", f"{home}:one_shot", "scored with the weights of one supernet, which is trained first")
    yield one("few-shot", f"{home}:few_shot", "scored with the weights of several supernets, which are trained first")
    measure = Argument("NAME", required=True, kind="proxy")
    yield one("zero-shot", f"{home}:zero_shot", "scored by a measure of the untrained network, a proxy's name", measure)
    yield one("predictor", f"{home}:predictor", "ranked by a model of the finished evaluations, refitted as they come")


def _tables() -> Iterator[Entry]:
    """Tables; options: the factory's `arguments`, the default objectives, and those of CE-NAS's own simulator."""

    def one(name: str, target: str, text: str, cost: str, reference: tuple[float, float], **options: Any) -> Entry:
        facts = {"arguments": (), "estimate": None, "released": None} | options
        return _entry("table", name, f"tables.{target}", text, cost=cost, reference=reference, **facts)

    nb201, fpga = "measured:nasbench201", "fpga_energy_mj"
    yield one(
        "digits",
        "digits:digits",
        "2,000 NAS-Bench-201 cells on digits",
        "params",
        (10, 101_000),
        estimate="oneshot_error",
    )
    yield one("toy", "toy:toy", "analytic, needs no data", "energy_mj", (100, 60), estimate="oneshot_error")
    yield one(
        "nasbench201",
        nb201,
        "NAS-Bench-201 on CIFAR-10, FPGA energy",
        fpga,
        (100, 70),
        arguments=("cifar10",),
        estimate="fewshot_error",
        released=("released_error", "edge_gpu_energy_mj", (100, 50)),
    )
    for name, data, text in (("cifar100", "cifar100", "CIFAR-100"), ("imagenet16", "imagenet16", "ImageNet16-120")):
        yield one(f"nasbench201-{name}", nb201, f"NAS-Bench-201 on {text}", fpga, (100, 70), arguments=(data,))
    yield one("nas-bench-macro", "macro:nas_bench_macro", "NAS-Bench-Macro on CIFAR-10", "flops", (100, 2e8))
    yield one("accel-nasbench", "macro:accel_nasbench", "Accel-NASBench on ImageNet", "a100_ms_per_image", (100, 1.0))
    yield one("darts-1000", "macro:darts_1000", "1,000 networks of the DARTS space", "cell_params", (100, 1e4))
    for name, cells, energy, worst in (
        ("4V", "91", "training", 1.1),
        ("5V", "1,525", "training", 1.4),
        ("7V", "1,013", "surrogate", 1.0),
    ):
        text = f"EC-NAS, {cells} cells, {energy} energy"
        target = "ecnas.table:ecnas_table"
        yield one(f"ecnas-{name.lower()}", target, text, "energy_kwh", (100, worst), arguments=(name,))


def _images() -> Iterator[Entry]:
    """Data sets; options: fields of `jcenas.train.images.ImageSource`, and the error that bounds the hypervolume."""

    def one(name: str, reader: str, text: str, **options: Any) -> Entry:
        return _entry("images", name, f"train.images:{reader}", text, **options)

    yield one("digits", "read_digits", "8x8 digits, which ship with scikit-learn", reference_error=0.1)
    yield one(
        "mnist",
        "read_mnist",
        "5,000 handwritten digits, 28x28",
        files=("images/mnist_5k_uint8.npz",),
        reference_error=0.1,
    )
    yield one(
        "fashion-mnist",
        "read_train_test",
        "12,000 pictures of clothes, 28x28",
        files=("images/fashion_mnist_12k_uint8.npz",),
        reference_error=0.3,
        flip=True,
    )
    yield one(
        "flowers",
        "read_train_test",
        "17 flowers, 16x16 in colour",
        files=("images/flowers17_16x16_uint8.npz",),
        reference_error=0.9,
        flip=True,
    )
    yield one(
        "cifar10",
        "read_cifar10",
        "CIFAR-10, 60,000 pictures, 32x32 in colour",
        files=("images/cifar10_train_jpeg.npz", "images/cifar10_test_jpeg.npz"),
        flip=True,
        validation=0.1,
        reference_error=0.7,
    )


def _providers() -> Iterator[Entry]:
    """Providers; option: `service`, whether it knows real hours only, as it is asked over the network."""

    def one(name: str, target: str, text: str, argument: Argument | None = None, *, service: bool = True) -> Entry:
        return _entry("provider", name, f"carbon.providers.{target}", text, argument, service=service)

    yield one("electricity-maps", "electricity_maps:ElectricityMaps", "Electricity Maps, many zones; needs a token")
    region = Argument("REGION", "")
    yield one("watttime", "watttime:WattTime", "WattTime, marginal intensities; needs an account", region)
    yield one("gb", "great_britain:GreatBritain", "the Carbon Intensity API of Great Britain; open to all")
    text = "the typical year of a zone, which ships with the package"
    yield one("typical-year", "local:TypicalYear", text, service=False)
    yield one("file", "local:File", "a trace in a CSV or JSON file", Argument("PATH", required=True), service=False)


def _executors() -> Iterator[Entry]:
    """Executors; options: what they `run`, networks or function; both where they do not say."""
    one = functools.partial(_entry, "executor")
    home = "live.executors"
    yield one("local", f"{home}.local:LocalExecutor.of", "this machine's devices, a thread each", run="networks")
    yield one("ray", f"{home}.remote:RemoteExecutor.of", "devices of many machines, by Ray", run="networks")
    yield one("workers", f"{home}.workers:WorkersExecutor.of", "processes that call your own function", run="function")


def _meters() -> Iterator[Entry]:
    one = functools.partial(_entry, "meter")
    home = "carbon.meters"
    yield one("none", f"{home}.none:NoMeter", "energy is modelled: power by device state x time")
    yield one("auto", f"{home}.auto:AutoMeter", "whatever counters there are for the run's devices; modelled if none")
    yield one("nvml", f"{home}.nvml:NvmlMeter", "NVIDIA GPUs; needs the extra jcenas[meter]")
    yield one("rapl", f"{home}.rapl:RaplMeter", "CPU packages, on Linux where their files may be read")


def _proxies() -> Iterator[Entry]:
    """Zero-shot measures; options: the `label` in tables of results."""

    def one(name: str, label: str, target: str, text: str) -> Entry:
        return _entry("proxy", name, f"proxies.{target}", text, label=label)

    yield one("synflow", "synflow", "synflow:synflow", "product of weights and their gradients, without data")
    yield one("snip", "SNIP", "snip:snip", "sensitivity of the loss to each weight")
    yield one("gradient-norm", "gradient norm", "gradient_norm:gradient_norm", "norm of the loss's gradient")
    yield one("fisher", "Fisher", "fisher:fisher", "squared gradients of the activations")
    yield one("naswot", "NASWOT", "naswot:naswot", "how differently images switch the ReLUs")
    yield one(
        "jacobian-covariance",
        "Jacobian covariance",
        "jacobian_covariance:jacobian_covariance",
        "how uncorrelated the Jacobians of images are",
    )
    yield one("zen-score", "Zen-score", "zen:zen", "sensitivity of the last maps to perturbed inputs")
    yield one(
        "ntk-condition", "NTK condition", "gradient_kernel:ntk_condition", "condition of the neural tangent kernel"
    )
    yield one(
        "gradient-kernel-mean", "gradient-kernel mean", "gradient_kernel:kernel_mean", "mean of the gradient kernel"
    )


def _problems() -> Iterator[Entry]:
    """Problems; options: what is usual where a search does not say, and the `drawing` of an architecture.

    Usual are the `channels` and `cells` of the networks and, where they are dear, `hour_seconds`.
    """

    def one(name: str, target: str, text: str, drawing: str, channels: int, cells: int, **usual: Any) -> Entry:
        place = f"jcenas.report.drawings.{drawing}:draw"
        target = f"problems.{name}:{target}"
        return _entry("problem", name, target, text, drawing=place, channels=channels, cells=cells, **usual)

    yield one("nasbench201", "NasBench201Problem", "cells of six edges and five operations", "nasbench201", 8, 1)
    yield one("nasbench101", "NasBench101Problem", "graphs of seven vertices: the cells of EC-NAS", "nasbench101", 8, 1)
    yield one("darts", "DartsProblem", "DARTS: a normal and a reduction cell, seven operations", "genotype", 4, 3)
    nasnet = "NASNet: two cells of six blocks, LaNAS's operations"
    yield one("nasnet", "NasNetProblem", nasnet, "genotype", 4, 3, hour_seconds=2.2)
    yield one("mobilenet", "MobileNetProblem", "inverted residuals in three stages", "mobilenet", 8, 3)


def _costs() -> Iterator[Entry]:
    """Costs of a network; options: `unit`, `how` it is known (counted, measured, modelled), `meter` if it needs one."""
    one = functools.partial(_entry, "cost")
    home = "problems.costs"
    yield one("params", f"{home}:parameters", "trainable parameters", unit="parameters", how="counted")
    yield one("flops", f"{home}:multiply_adds", "multiply-adds of one image", unit="multiply-adds", how="counted")
    yield one(
        "latency",
        "live.programs:DevicePrograms.latency_s",
        "seconds of one inference on this device",
        unit="s",
        how="measured",
    )
    yield one("energy", f"{home}:inference_energy_j", "energy of one inference", unit="J", how="modelled")
    text = "bytes of one inference: weights, and the most of activations at once"
    yield one("memory", f"{home}:inference_memory_bytes", text, unit="bytes", how="counted")
    yield one(
        "measured-energy",
        "live.programs:DevicePrograms.inference_energy_j",
        "energy of one inference on this device; needs --meter",
        unit="J",
        how="measured",
        meter=True,
    )
