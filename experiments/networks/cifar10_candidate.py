"""Train one NAS-Bench-201 cell and one NASNet network on the complete CIFAR-10.

Command:  python -m experiments.networks.cifar10_candidate [--full] [--smoke]
Expected: `--full`, on an accelerator: the benchmark has this NAS-Bench-201 cell at 94.37 % test accuracy after 200
          epochs (mean of its seeds); NASNet-A comes near the published 2.65 % error (arXiv 1707.07012), which took a
          longer training with an auxiliary head. The short size for CPUs: well above the 10 % of guessing.
Cost:     short, an estimated quarter of an hour on 2 CPU cores; `--full` hours on one accelerator; `--smoke` half a
          minute, and records nothing.

All 50,000 training images train; the 10,000 test images are looked at once, at the end. The images are JPEGs of the
originals (lossy) and are shifted, mirrored and cut out at random. The short size is the same program on smaller
networks for few epochs: its accuracies say that training works, not what the architectures can do.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.lib import recording
from jcenas.nets import CellNetwork, GenotypeNetwork, Macro, MacroGenotype
from jcenas.nets.genotype import cost as genotype_cost
from jcenas.nets.nasbench201 import cost
from jcenas.runtime import compilation, sharding
from jcenas.runtime.process import start_with_huge_pages
from jcenas.spaces import nasbench201
from jcenas.spaces.genotype import Genotype, to_cells
from jcenas.spaces.nasnet import NASNET_A
from jcenas.tables.store import locate
from jcenas.train import images
from jcenas.train.images import ImageSet, Split
from jcenas.train.training import TrainConfig, make_trainer

NAME = "cifar10_candidate"
COLUMNS = [
    "network",
    "channels",
    "cells",
    "parameters",
    "epochs",
    "batch",
    "test accuracy, %",
    "loss of the last epoch",
    "images/s",
    "trace + compile, s",
    "training, minutes",
]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


TINY = Genotype(
    *((("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("skip_connect", 0)), (1, 3)),
    *((("max_pool_3x3", 0), ("conv_1x1", 1), ("skip_connect", 2), ("avg_pool_3x3", 2)), (3,)),
)


class Size(NamedTuple):
    """How large the networks are and how long they train."""

    cell_channels: int
    cell_cells: int  # in each of the three stages
    cell_epochs: int
    cell_recipe: TrainConfig
    nasnet_name: str
    nasnet_genotype: Genotype
    nasnet_channels: int
    nasnet_cells: int
    nasnet_epochs: int
    nasnet_recipe: TrainConfig


FULL = Size(
    *(16, 5, 200, TrainConfig(batch_size=256)),
    *(
        "NASNet-A",
        NASNET_A,
        36,
        20,
        200,
        TrainConfig(batch_size=96, learning_rate=0.025, weight_decay=3e-4, drop_path=0.2),
    ),
)
SHORT = Size(
    *(8, 1, 3, TrainConfig(batch_size=128)),
    *("NASNet-A", NASNET_A, 8, 3, 2, TrainConfig(batch_size=128, learning_rate=0.05, weight_decay=3e-4)),
)
SMOKE = Size(
    *(2, 1, 1, TrainConfig(batch_size=16, chunk_steps=2)),
    *("two blocks", TINY, 8, 3, 1, TrainConfig(batch_size=16, learning_rate=0.03, chunk_steps=2, drop_path=0.1)),
)


class Candidate(NamedTuple):
    """A network with its recipe."""

    name: str
    network: nn.Module
    genome: np.ndarray
    channels: int
    cells: int
    parameters: int
    epochs: int
    recipe: TrainConfig


def candidates(size: Size, classes: int, image_size: int) -> list[Candidate]:
    """Both candidates."""
    genome = np.array(nasbench201.from_string(CELL), np.int32)
    macro = Macro(image_size=image_size, classes=classes, channels=size.cell_channels, cells=size.cell_cells)
    nasnet = MacroGenotype(
        image_size=image_size, classes=classes, channels=size.nasnet_channels, cells=size.nasnet_cells
    )
    cell = Candidate(
        f"NAS-Bench-201 {CELL}",
        CellNetwork(classes, channels=size.cell_channels, cells=size.cell_cells, choose=_choose()),
        genome,
        size.cell_channels,
        3 * size.cell_cells,
        int(cost.parameters(macro, genome)),
        size.cell_epochs,
        size.cell_recipe,
    )
    network = Candidate(
        size.nasnet_name,
        GenotypeNetwork(size.nasnet_genotype, classes, channels=size.nasnet_channels, cells=size.nasnet_cells),
        np.zeros(1, np.int32),
        size.nasnet_channels,
        size.nasnet_cells,
        int(genotype_cost.parameters(to_cells(size.nasnet_genotype), nasnet)),
        size.nasnet_epochs,
        size.nasnet_recipe,
    )
    return [cell, network]


def _choose():
    return "branch" if sharding.on_cpu(sharding.local_devices(1)) else "blend"


def whole(data: ImageSet) -> ImageSet:
    """The set with its validation images among the training images: nothing is chosen by them here."""
    parts = data.train, data.validation
    train = Split(jnp.concatenate([p.images for p in parts]), jnp.concatenate([p.labels for p in parts]))
    return data.replace(train=train)


class Training:
    """A candidate's training: compiled first, then as many epochs as are asked for."""

    def __init__(self, candidate: Candidate, data: ImageSet):
        """Compile a chunk of steps."""
        self.candidate, self.data = candidate, data
        self.trainer = make_trainer(candidate.network, candidate.recipe, data, genome_size=len(candidate.genome))
        self._init = jax.jit(self.trainer.init)
        self._genomes = jnp.tile(jnp.asarray(candidate.genome), (self.trainer.chunk_steps, 1))
        self.begin(candidate.epochs)
        function = compilation.jit(self.trainer.chunk, donate_argnums=0)
        self._chunk, compiling = recording.compile_timed(function, self.state, self._genomes, data)
        self.compile_s = compiling["trace_s"] + compiling["compile_s"]

    def begin(self, epochs: int) -> None:
        """Start anew, with a schedule that ends after so many epochs."""
        self.state = self._init(jax.random.key(0), jnp.int32(epochs * self.trainer.steps_per_epoch))

    def epoch(self) -> float:
        """Train one epoch and return its mean loss.

        Raises:
          RuntimeError: it is not finite.
        """
        losses = []
        for _ in range(self.trainer.steps_per_epoch // self.trainer.chunk_steps):
            self.state, value = self._chunk(self.state, self._genomes, self.data)
            losses.append(value)
        loss = float(jnp.stack(losses).mean())
        if not np.isfinite(loss):
            raise RuntimeError(f"{self.candidate.name}: the loss of an epoch is {loss}")
        return loss

    def accuracy(self) -> float:
        """Share of right answers on the test images."""
        genome = jnp.asarray(self.candidate.genome)
        return float(jax.jit(self.trainer.accuracy)(self.state, genome, self.data.test, self.data))

    @property
    def images_an_epoch(self) -> int:
        """Training images that an epoch sees."""
        return self.trainer.steps_per_epoch * self.candidate.recipe.batch_size


def train(candidate: Candidate, data: ImageSet) -> list[Any]:
    """Train one candidate and return its row of the table.

    Raises:
      RuntimeError: The loss is not finite.
    """
    training = Training(candidate, data)
    begin, loss = time.perf_counter(), float("nan")
    for epoch in range(candidate.epochs):
        loss = training.epoch()
        sys.stderr.write(f"{candidate.name[:16]}: epoch {epoch + 1} of {candidate.epochs}, loss {loss:.3f}\n")
    seconds = time.perf_counter() - begin
    return [
        candidate.name,
        candidate.channels,
        candidate.cells,
        candidate.parameters,
        candidate.epochs,
        candidate.recipe.batch_size,
        100 * training.accuracy(),
        loss,
        candidate.epochs * training.images_an_epoch / seconds,
        training.compile_s,
        seconds / 60,
    ]


def load() -> ImageSet:
    """CIFAR-10 from the data folder."""
    return images.load_images("cifar10", [locate(name) for name in images.source("cifar10").files])


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Train, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the published sizes and 200 epochs, for an accelerator")
    parser.add_argument("--smoke", action="store_true", help="tiny networks on digits; records nothing")
    options = parser.parse_args(arguments)
    if options.smoke:
        data, size = images.load_images("digits", []), SMOKE
    else:
        data, size = load(), (FULL if options.full else SHORT)
    data = sharding.place(whole(data), sharding.local_devices(1)[0])
    rows = [train(c, data) for c in candidates(size, data.classes, data.image_shape[0])]
    if not options.smoke:
        command = "python -m experiments.networks.cifar10_candidate" + (" --full" if options.full else "")
        recording.record(
            NAME,
            title="Training on the complete CIFAR-10",
            command=command,
            columns=COLUMNS,
            rows=rows,
            notes=[
                "All 50,000 training images (JPEG copies); test accuracy on all 10,000 test images, looked at once.",
                "One seed.",
                "Images/s: training alone, with augmentation; both networks in float32.",
                *(
                    []
                    if options.full
                    else ["A short run of small networks, as a CPU affords: it says that training works, no more."]
                ),
            ],
            expected="full size: 94.37 % for the NAS-Bench-201 cell; short size: well above 10 %.",
        )
    for row in rows:
        sys.stdout.write("  ".join(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in row) + "\n")
    return rows


if __name__ == "__main__":
    start_with_huge_pages()
    main()
