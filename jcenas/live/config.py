"""Everything that defines a search. The command line's flags are made from this class; importing it imports no JAX."""

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jcenas import registry
from jcenas.carbon.meters.names import is_file
from jcenas.carbon.power import PowerModel
from jcenas.carbon.providers.names import check_alone
from jcenas.errors import MOST_HOURS, MOST_SEED, InputError, check_integer
from jcenas.registry.cost_names import cost_names
from jcenas.train.own_images import is_own

REAL_TIME_HOUR_S = 3600.0
USUAL_HOUR_S = 1.3  # a demonstration of two minutes
# Largest integers that are taken; what does not fit into memory or time is the user's to find out below them.
_MOST = {
    "hours": MOST_HOURS,
    "channels": 1 << 14,
    "cells": 1 << 10,
    "epochs": 1_000_000,
    "supernet_epochs": 1_000_000,
    "batch_size": 1_000_000,
    "proposals": 1 << 16,
    "evaluations": 1_000_000_000,
    "devices": 1_000_000,
    "image_size": 1 << 14,
}
MOST_SIDE_BY_SIDE = 1024
ARRAYS = "arrays"  # as `images`: a Python program hands them over
AUTO = "auto"  # as `meter`: modelled where there is no counter
RAY = "ray"  # as `executor`
FUNCTION = "function"  # as `problem`: a Python program hands it over, see `jcenas.Problem.from_function`


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """A carbon-aware architecture search. The defaults are a complete demonstration of about two minutes on two cores.

    Attributes:
        problem: space of the networks: nasbench201 (cells of six edges), nasbench101 (graphs of seven vertices), darts
            and nasnet (a normal and a reduction cell), mobilenet (inverted residuals), or another of `jcenas list
            problem`.
        name: run folder below `runs`; empty takes the UTC time of the start.
        runs: folder that holds the run folders.
        images: images to learn: digits, mnist, fashion-mnist, flowers, cifar10 or another of `jcenas list images` (all
            but digits are read below JCENAS_DATA); or your own: FILE.npz with arrays x and y, or x_train, y_train,
            x_test, y_test; or a folder of class folders, perhaps below train/, test/ and val/.
        image_size: side in pixels to which the images of a folder are resized; if not given, the most common size's
            shorter side, at most 64.
        images_on_device: yes: all images lie on every device, and a user's that take more than a quarter of its memory
            or of the host's are refused; no: they stay on the host (a user's in a file of the cache folder), and those
            of the next steps are brought to the device while it trains; auto: no where yes would refuse.
        cost: objectives beside the validation error, one to three of them: params (parameters), flops (multiply-adds),
            latency (measured on this device with batch `latency_batch`), energy (of one inference, modelled), memory
            (bytes that one inference needs), or another of `jcenas list cost`, such as measured-energy, which needs a
            meter.
        latency_batch: images per call when latency or energy is measured.
        optimizer: what proposes cells: lamoo (uniform in its region), lamoo-ehvi (with expected hypervolume improvement
            in the region: better on tables, dearer an ask), nsga2, random, or another of `jcenas list optimizer`.
        stage: what scores cells before they are trained: predictor (a Gaussian process fitted to the finished
            trainings), one-shot or few-shot (supernets, trained first), zero-shot:NAME (a score of the untrained
            network), or none.
        policy: who splits each hour between sampling and evaluating: heuristic (linear in the intensity), threshold,
            price, plan, pace, ppo, static:SHARE (of evaluation), evaluate-all, sample-all, another of
            `jcenas list policy`, or a file FILE.npz of `jcenas train-policy`.
        zone: grid zone whose typical year is followed, where no trace is given (US-CAL-CISO if empty); of a trace file
            with several zones, the one to take.
        trace: CSV file with UTC times and intensities in gCO2eq/kWh.
        provider: instead of a trace, who is asked for each hour's intensity when the hour comes, in real time: names
            of `jcenas list provider` with commas between them, the later ones where the earlier ones fail, such as
            electricity-maps,gb,typical-year. Keys are read from the environment.
        column: column of the intensities, in a trace file with several.
        start: UTC time at which the run begins in the trace, such as 2023-06-01T00:00Z; if empty, the
            beginning of a file, 1 June 12:00 of a typical year, and now with a provider.
        forecast: what the policy is told of the coming day: model (quantiles of the forecaster that ships, adapted
            to the hours before; persistence while they are less than a week), persistence (as yesterday), or none
            (nothing but now).
        hours: trace hours that the search may last.
        hour_seconds: device seconds that one trace hour lasts, by the problem if not given (1.3; nasnet 2.2); 3600 is
            real time, and idle time is then waited for.
        carbon_budget: stop when so many gCO2eq were emitted.
        evaluations: stop after so many finished trainings.
        devices: devices to use; all of this machine if not given, of the cores of a CPU at most four.
        side_by_side: networks that a device trains at once, in one program; auto measures 1, 4, 16, ... at the start
            and takes what trains most in a device-second, but 1 on a CPU, whose cores are devices of their own.
        channels: channels of a network's first stage; by the problem if not given.
        cells: cells of a network (darts, nasnet) or of each of its stages (nasbench201, nasbench101), layers of a stage
            at most (mobilenet); by the problem if not given.
        epochs: epochs that every candidate trains, from scratch.
        supernet_epochs: epochs that the weight-sharing supernet trains, where the stage has one.
        batch_size: images per training step.
        learning_rate: peak of the cosine schedule.
        proposals: cells proposed in an hour; the stage scores as many of them as it has time for.
        reference_error: validation error beyond which a network is of no use: it bounds the hypervolume; by the data
            set if not given (digits and mnist 0.1, fashion-mnist 0.3, cifar10 0.7, flowers 0.9; of your own, nine
            tenths of a guess's error).
        power: electric power of a device by state, and PUE; left as it is, the devices of a CPU share it.
        meter: who measures the devices' energy, instead of the power model: none, auto (whatever counters there are),
            nvml (NVIDIA GPUs), rapl (CPU packages on Linux), another of `jcenas list meter`, or your own FILE.py.
        executor: who does the work; by the problem if not given: local (this machine's devices), workers (processes
            that call your function), or ray (the devices of many machines, see docs/cluster.md).
        address: of the Ray cluster, HOST:PORT, or auto for the one that this machine is part of; if not given, Ray is
            started on this machine alone.
        seed: of the split of the images, the optimiser and all weights.

    Raises:
        InputError: a number outside its range, or an unknown name.
    """

    problem: str = "nasbench201"
    name: str = ""
    runs: Path = Path("runs")
    images: str = "digits"
    image_size: int | None = None
    images_on_device: Literal["auto", "yes", "no"] = "auto"
    cost: Sequence[str] = ("params",)
    latency_batch: Literal[1, 64] = 1
    optimizer: str = "lamoo"
    stage: str = "predictor"
    policy: str = "heuristic"
    zone: str = ""
    trace: Path | None = None
    provider: str = ""
    column: str = ""
    start: str = ""
    forecast: Literal["model", "persistence", "none"] = "model"
    hours: int = 48
    hour_seconds: float | None = None
    carbon_budget: float | None = None
    evaluations: int | None = None
    devices: int | None = None
    side_by_side: int | Literal["auto"] = "auto"
    channels: int | None = None
    cells: int | None = None
    epochs: int = 12
    supernet_epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 0.1
    proposals: int = 64
    reference_error: float | None = None
    power: PowerModel = dataclasses.field(default_factory=PowerModel)
    meter: str = "none"
    executor: str | None = None
    address: str | None = None
    seed: int = 0

    def __post_init__(self):
        usual = {} if self.of_function else registry.check("problem", self.problem).entry.options
        for field, otherwise in (("channels", 1), ("cells", 1), ("hour_seconds", USUAL_HOUR_S)):
            if getattr(self, field) is None:
                object.__setattr__(self, field, usual.get(field, otherwise))
        for field, most in _MOST.items():
            check_integer(flag_of(field), getattr(self, field), 1, most)
        if self.side_by_side != "auto":
            check_integer("--side-by-side", self.side_by_side, 1, MOST_SIDE_BY_SIDE)
        for field in ("hour_seconds", "learning_rate", "carbon_budget"):
            value = getattr(self, field)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{flag_of(field)} {value}: must be a positive number")
        if self.reference_error is not None and not 0 < self.reference_error <= 1:
            raise InputError(f"--reference-error {self.reference_error}: must be in (0, 1]")
        if self.of_function:
            object.__setattr__(self, "images", "")
            object.__setattr__(self, "cost", tuple(self.cost))
        else:
            self._check_images()
            self._check_costs()
        registry.check("optimizer", self.optimizer)
        registry.check("stage", self.stage)
        if self.provider:
            beside = {name: getattr(self, name) for name in ("zone", "trace", "column", "start")}
            check_alone(self.provider, hour_seconds=self.hour_s, **beside)
        self._check_meter()
        self._check_executor()
        check_integer("--seed", self.seed, 0, MOST_SEED)
        if self.name and (Path(self.name).name != self.name or self.name in {".", ".."}):
            raise InputError(f"--name {self.name}: must be a plain folder name; use --runs for the folder above it")

    def _check_costs(self) -> None:
        """Known names, as a tuple; one alone may be given as a text."""
        object.__setattr__(self, "cost", cost_names(self.cost))
        if not self.cost:
            raise InputError(f"--cost: name at least one; the costs are {', '.join(registry.names('cost'))}")
        for name in self.cost:
            registry.check("cost", name)

    def _check_meter(self) -> None:
        """A name of the registry, or a path, which becomes absolute: a run may go on from another folder."""
        if is_file(self.meter):
            object.__setattr__(self, "meter", str(Path(self.meter).expanduser().absolute()))
        else:
            registry.check("meter", self.meter)
        if self.metered_costs and self.meter == "none":
            raise InputError(f"--cost {self.metered_costs[0]} needs a meter; name one with --meter, such as auto")

    def _check_executor(self) -> None:
        """One that runs the problem."""
        kind = "function" if self.of_function else "networks"
        if self.executor is None:
            object.__setattr__(self, "executor", "workers" if self.of_function else "local")
        found = registry.check("executor", self.executor or "").entry
        if found.options.get("run", kind) != kind:
            what = "a function of your own" if self.of_function else "networks"
            raise InputError(f"--executor {self.executor} does not run {what}; leave it out")
        if self.address is not None and self.executor != RAY:
            raise InputError(f"--address {self.address} is of a Ray cluster; add --executor {RAY}")

    @property
    def metered_costs(self) -> tuple[str, ...]:
        """Those of the costs that a meter measures."""
        if self.of_function:
            return ()
        return tuple(name for name in self.cost if registry.check("cost", name).entry.options.get("meter"))

    def _check_images(self) -> None:
        """A name of the registry, or a path, which becomes absolute: a run may go on from another folder."""
        object.__setattr__(self, "images", str(self.images))
        if self.images == ARRAYS or self.images in registry.entries("images"):
            return
        if is_own(self.images):
            object.__setattr__(self, "images", str(Path(self.images).expanduser().absolute()))
            return
        try:
            registry.check("images", self.images)
        except InputError as error:
            raise InputError(f"--images {self.images}: no such file or folder, and {error}") from error

    @property
    def of_function(self) -> bool:
        """Whether a Python program hands the problem over, and no networks are trained here."""
        return self.problem == FUNCTION

    @property
    def hour_s(self) -> float:
        """Device seconds that one trace hour lasts: `hour_seconds` as given, or as the problem has it."""
        assert self.hour_seconds is not None, "set at construction"
        return self.hour_seconds

    @property
    def real_time(self) -> bool:
        """True where a trace hour is an hour on the wall."""
        return self.hour_s >= REAL_TIME_HOUR_S

    def resume_flag(self, folder: Path) -> str:
        """The flag, or the argument in Python, that goes on with a run."""
        return f"resume={str(folder)!r}" if self.of_function else f"--resume {folder}"

    def how_to_resume(self, folder: Path) -> str:
        """What to type to go on with a run."""
        flag = self.resume_flag(folder)
        return f"jcenas.search(problem=..., {flag})" if self.of_function else f"jcenas search {flag}"

    def to_json(self) -> dict:
        """The fields as JSON values."""
        values = dataclasses.asdict(self)
        return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SearchConfig":
        """The configuration that `to_json` wrote.

        Raises:
            InputError: fields that this version does not know, or values of another kind.
        """
        values = dict(values)
        if "dataset" in values and "images" not in values:  # its name in older versions
            values["images"] = values.pop("dataset")
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise InputError(
                f"config.json holds fields that this version does not know ({', '.join(sorted(unknown))}): it was "
                "edited, or made by another version of jcenas; go on with that version, or start a new run"
            )
        _check_types(cls, values)
        if "power" in values:
            _check_types(PowerModel, values["power"])
            values["power"] = PowerModel(**values["power"])
        for name in ("runs", "trace"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        return cls(**values)


def _check_types(kind: type, values: dict) -> None:
    """Refuse values of the wrong kind for the fields of a dataclass, as an edited file may hold them."""
    hints = typing.get_type_hints(kind)
    for name, value in values.items():
        hint = hints.get(name)
        allowed = typing.get_args(hint) or (hint,)
        if typing.get_origin(hint) is Literal:
            right = value in allowed
        elif typing.get_origin(hint) is Sequence:
            right = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        else:
            words = [word for one in allowed if typing.get_origin(one) is Literal for word in typing.get_args(one)]
            kinds = [one for one in allowed if typing.get_origin(one) is not Literal]
            forms: list[Any] = [{Path: str, PowerModel: dict}.get(one, one) for one in kinds]
            forms += [int] if float in forms else []
            right = hint is not None and isinstance(value, tuple(forms)) and not isinstance(value, bool)
            right = right or value in words
        if not right:
            raise InputError(f"config.json is damaged ({name} is {value!r}); restore it, or start a new run")


def flag_of(field: str) -> str:
    """The flag of a field on the command line."""
    return "--" + field.replace("_", "-")
