"""Everything that defines a measured table. The flags of `jcenas measure` are made from it; no JAX here."""

import dataclasses
from pathlib import Path
from typing import Any

from jcenas import registry
from jcenas.carbon.power import PowerModel
from jcenas.errors import InputError, check_integer
from jcenas.live.config import SearchConfig, flag_of
from jcenas.units import SECONDS_PER_HOUR

MOST_CELLS, MOST_SEEDS, MOST_DEPTH = 1_000_000, 1000, 1 << 10
SUFFIX = ".csv"
_FREE = ("cells", "devices", "out")  # may be others when a table goes on


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """A sample of a problem's cells, and how each is trained.

    Attributes:
        problem: space of the networks: nasbench201, nasbench101 (the cells of EC-NAS), darts, nasnet, mobilenet, or
            another of `jcenas list problem`.
        images: images to learn, as of `jcenas search`: digits, mnist, cifar10 or another of `jcenas list images`, or
            your own: FILE.npz, or a folder of class folders.
        image_size: side in pixels to which the images of a folder are resized.
        cells: different architectures to train: the first of a sequence that --problem and --seed decide, so that a
            table grows if the command is given again with more.
        seeds: trainings of each, from different weights, a row each; the simulator takes their mean.
        epochs: of each training.
        looks: epochs on the way after which the errors are measured as well, in columns of their own.
        channels: channels of a network's first stage; by the problem if not given.
        depth: cells of a network (darts, nasnet) or of each of its stages (nasbench201, nasbench101), layers of a stage
            at most (mobilenet); by the problem if not given. (It is --cells of `jcenas search`.)
        batch_size: images per training step.
        learning_rate: peak of the cosine schedule.
        hour_seconds: seconds of training that stand for an hour in train_seconds, the column that the simulator reads,
            so that small networks fill its hours; 3600 leaves the measured seconds as they are.
        power: electric power of a device by state, and PUE, for the modelled energy; left as it is, the devices of a
            CPU share it.
        devices: devices to use, each of which trains cells of its own; all of this machine if not given, of the cores
            of a CPU at most four.
        out: the table, FILE.csv, and beside it FILE.json, which says what each column is; PROBLEM-IMAGES.csv if not
            given.
        seed: of the sample, the split of the images, and all weights.

    Raises:
        InputError: a number outside its range, or an unknown name.
    """

    problem: str = "nasbench201"
    images: str = "digits"
    image_size: int | None = None
    cells: int = 200
    seeds: int = 1
    epochs: int = 12
    looks: tuple[int, ...] = ()
    channels: int | None = None
    depth: int | None = None
    batch_size: int = 64
    learning_rate: float = 0.1
    hour_seconds: float = 1.0
    power: PowerModel = dataclasses.field(default_factory=PowerModel)
    devices: int | None = None
    out: Path | None = None
    seed: int = 0

    def __post_init__(self):
        registry.check("problem", self.problem)
        check_integer("--cells", self.cells, 2, MOST_CELLS)  # one is no table that can be searched
        check_integer("--seeds", self.seeds, 1, MOST_SEEDS)
        check_integer("--depth", self.depth, 1, MOST_DEPTH)
        search = self.search  # which checks all else
        object.__setattr__(self, "images", search.images)
        object.__setattr__(self, "channels", search.channels)
        object.__setattr__(self, "depth", search.cells)
        object.__setattr__(self, "looks", tuple(self.looks))
        for look in self.looks:
            check_integer("--looks", look, 1, self.epochs - 1)
        if sorted(set(self.looks)) != list(self.looks):
            raise InputError(f"--looks {' '.join(map(str, self.looks))}: give each epoch once, in their order")
        if self.path.suffix != SUFFIX:
            raise InputError(f"--out {self.out}: the file's name must end in {SUFFIX}")

    @property
    def search(self) -> SearchConfig:
        """The search whose trainings these are: images, skeleton and recipe."""
        shared = {field.name for field in dataclasses.fields(SearchConfig)} & {
            field.name for field in dataclasses.fields(self)
        }
        given = {name: getattr(self, name) for name in shared - {"cells"}}
        return SearchConfig(**given, cells=self.depth)

    @property
    def path(self) -> Path:
        """The table's file."""
        return Path(f"{self.problem}-{Path(self.images).stem}{SUFFIX}") if self.out is None else self.out

    @property
    def budgets(self) -> tuple[int, ...]:
        """Epochs after which the errors are measured, the last of which is the end."""
        return (*self.looks, self.epochs)

    @property
    def acceleration(self) -> float:
        """Seconds of the simulator for each measured one."""
        return SECONDS_PER_HOUR / self.hour_seconds

    def settings(self) -> dict[str, Any]:
        """What all rows of a table share, as JSON values, by flag."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}
        values["looks"] = list(self.looks)
        power = values.pop("power")
        return {flag_of(name): value for name, value in values.items()} | {
            f"--power.{name.replace('_', '-')}": value for name, value in power.items()
        }
