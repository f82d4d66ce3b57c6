"""One NAS-Bench-201 candidate in PyTorch eager: the peer of `experiments/benchmark_networks.py`.

Run by that script in a Python that has PyTorch, with a file of images, weights and logits. The logits are compared
first; then training steps are timed in PyTorch's default layout and in channels-last. Prints one JSON line.
"""

import json
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

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

    def __init__(self, genome, image_channels, classes, channels, cells):
        super().__init__()
        self.stem = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        blocks = {}
        for stage in range(3):
            c = channels * 2**stage
            if stage:
                blocks[f"reduce{stage}"] = Reduction(c // 2, c)
            blocks |= {f"stage{stage}_cell{i}": Cell(genome, c) for i in range(cells)}
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
                continue
            for e, choice in enumerate(block.genome):
                if choice in (CONV_1X1, CONV_3X3):
                    edge = block.edges[str(e)]
                    own[f"{name}/conv{'1x1' if choice == CONV_1X1 else '3x3'}_{e}"] = edge[1]
                    own[f"{name}/norm_{e}"] = edge[2]
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


def time_steps(network, images, labels, layout, repeats):
    """Median and quartiles of a training step in seconds."""
    network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, 0.9, weight_decay=5e-4, nesterov=True)
    seconds = []
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begin)
    return statistics.quantiles(seconds[2:], n=4)


def main(path, channels, cells, repeats):
    """Compare the logits, time the steps, print one JSON line."""
    arrays = np.load(path)
    genome, logits = tuple(arrays["genome"].tolist()), arrays["logits"]
    images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2)
    network = Network(genome, images.shape[1], logits.shape[1], channels, cells)
    network.load(arrays)
    difference = float(np.abs(network(images).detach().numpy() - logits).max() / np.abs(logits).max())
    if difference > 1e-3:
        raise SystemExit(f"the networks differ by {difference} of the largest logit: nothing to time")
    labels = torch.zeros(len(images), dtype=torch.long)
    layouts = {"default": torch.contiguous_format, "channels_last": torch.channels_last}
    result = {name: time_steps(network, images, labels, layout, repeats) for name, layout in layouts.items()}
    count = sum(p.numel() for p in network.parameters())
    print(json.dumps(result | {"torch": torch.__version__, "parameters": count, "difference": difference}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(value) for value in sys.argv[2:]))
