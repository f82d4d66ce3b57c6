"""NAS-Bench-201 networks in PyTorch eager: the peers of `experiments/networks/speed.py`.

Run by that script in a Python that has PyTorch, with a file of images, weights and logits: a candidate, or the
supernet that mixes all operations. The logits are compared first; then training steps are timed in PyTorch's default
layout and in channels-last, or as `torch_steps.py` is told to. Prints one JSON line.
"""

import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_steps import compare_and_time

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)


def relu_conv_norm(c_in, c_out, size, stride=1):
    """The benchmark's block: ReLU, convolution without bias, batch norm."""
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(c_in, c_out, size, stride, size // 2, bias=False), nn.BatchNorm2d(c_out, eps=1e-5)
    )


class Cell(nn.Module):
    """A cell that holds only the operations of its genome."""

    def __init__(self, genome, channels):
        super().__init__()
        self.genome = genome
        make = {
            SKIP: nn.Identity,
            CONV_1X1: lambda: relu_conv_norm(channels, channels, 1),
            CONV_3X3: lambda: relu_conv_norm(channels, channels, 3),
            POOL: lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        }
        self.edges = nn.ModuleDict({str(e): make[choice]() for e, choice in enumerate(genome) if choice != NONE})

    def forward(self, x):
        """Apply to (B, C, H, W)."""
        nodes = [x]
        for target in (1, 2, 3):
            parts = [
                self.edges[str(e)](nodes[source])
                for e, (source, into) in enumerate(EDGES)
                if into == target and str(e) in self.edges
            ]
            nodes.append(sum(parts) if parts else torch.zeros_like(x))
        return nodes[-1]

    def own(self, name, arrays):
        """Modules by the names of their weights in `arrays`."""
        del arrays
        named = {}
        for e, choice in enumerate(self.genome):
            if choice in (CONV_1X1, CONV_3X3):
                edge = self.edges[str(e)]
                named[f"{name}/conv{'1x1' if choice == CONV_1X1 else '3x3'}_{e}"] = edge[1]
                named[f"{name}/norm_{e}"] = edge[2]
        return named


class MixedCell(nn.Module):
    """A cell with all five operations on every edge, summed with the weights of a mixture (6, 5)."""

    def __init__(self, mixture, channels):
        super().__init__()
        self.register_buffer("mixture", mixture)
        self.conv1x1 = nn.ModuleList([relu_conv_norm(channels, channels, 1) for _ in EDGES])
        self.conv3x3 = nn.ModuleList([relu_conv_norm(channels, channels, 3) for _ in EDGES])
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x):
        """Apply to (B, C, H, W); the operation `none` adds nothing."""
        nodes = [x, 0, 0, 0]
        for e, (source, target) in enumerate(EDGES):
            x, weight = nodes[source], self.mixture[e]
            y = weight[SKIP] * x + weight[POOL] * self.pool(x)
            y = y + weight[CONV_1X1] * self.conv1x1[e](x) + weight[CONV_3X3] * self.conv3x3[e](x)
            nodes[target] = nodes[target] + y
        return nodes[-1]

    def own(self, name, arrays):
        """Modules by the names of their weights; our edges are stacked, so they are split in `arrays`."""
        named = {}
        for e in range(len(EDGES)):
            for row, part in enumerate(("conv1x1", "conv3x3")):
                block = getattr(self, part)[e]
                named[f"{name}/{part}_{e}"], named[f"{name}/{part}_{e}_norm"] = block[1], block[2]
                arrays[f"{name}/{part}_{e}"] = arrays[f"{name}/{part}"][e]
                for factor in ("scale", "bias"):
                    arrays[f"{name}/{part}_{e}_norm/{factor}"] = arrays[f"{name}/{factor}"][e, row]
        return named


class Reduction(nn.Module):
    """The residual block of stride 2."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.a, self.b = relu_conv_norm(c_in, c_out, 3, 2), relu_conv_norm(c_out, c_out, 3)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, bias=False)

    def forward(self, x):
        """Halve the image."""
        return self.b(self.a(x)) + self.shortcut(F.avg_pool2d(x, 2))


class Network(nn.Module):
    """Stem, three stages, head."""

    def __init__(self, make_cell, image_channels, classes, channels, cells):
        super().__init__()
        self.stem = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        blocks = {}
        for stage in range(3):
            c = channels * 2**stage
            if stage:
                blocks[f"reduce{stage}"] = Reduction(c // 2, c)
            blocks |= {f"stage{stage}_cell{i}": make_cell(c) for i in range(cells)}
        self.blocks = nn.ModuleDict(blocks)
        self.head_norm, self.classifier = nn.BatchNorm2d(4 * channels), nn.Linear(4 * channels, classes)

    def forward(self, x):
        """Logits of (B, C, H, W)."""
        x = self.stem_norm(self.stem(x))
        for block in self.blocks.values():
            x = block(x)
        return self.classifier(F.relu(self.head_norm(x)).mean((2, 3)))

    def load(self, arrays):
        """Take the weights of our network, by their names there."""
        own = {"stem": self.stem, "stem_norm": self.stem_norm, "head_norm": self.head_norm}
        for name, block in self.blocks.items():
            if isinstance(block, Reduction):
                own |= {f"{name}/conv_a": block.a[1], f"{name}/norm_a": block.a[2], f"{name}/conv_b": block.b[1]}
                own |= {f"{name}/norm_b": block.b[2], f"{name}/shortcut": block.shortcut}
            else:
                own |= block.own(name, arrays)
        with torch.no_grad():
            for name, module in own.items():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.copy_(torch.from_numpy(arrays[f"{name}/scale"]))
                    module.bias.copy_(torch.from_numpy(arrays[f"{name}/bias"]))
                else:
                    kernel = arrays[name]
                    kernel = kernel[None, None] if kernel.ndim == 2 else kernel
                    module.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
            self.classifier.weight.copy_(torch.from_numpy(arrays["classifier/kernel"]).T)
            self.classifier.bias.copy_(torch.from_numpy(arrays["classifier/bias"]))


def main(path, channels, cells, repeats, options="{}"):
    """Compare the logits, time the steps, print one JSON line."""
    arrays = dict(np.load(path))
    if "mixture" in arrays:
        mixture = torch.from_numpy(arrays["mixture"])

        def make_cell(c):
            return MixedCell(mixture, c)
    else:
        genome = tuple(arrays["genome"].tolist())

        def make_cell(c):
            return Cell(genome, c)

    network = Network(make_cell, arrays["images"].shape[-1], arrays["logits"].shape[1], int(channels), int(cells))
    network.load(arrays)
    print(json.dumps(compare_and_time(network, arrays, int(repeats), json.loads(options))))


if __name__ == "__main__":
    main(*sys.argv[1:])
