"""The network that DARTS searches with, in PyTorch eager: a peer of `experiments/networks/speed.py`.

Run by that script as `torch_peer.py` is, which compares and times. Every edge is a list of eight modules whose
outputs are weighed and added, as published implementations have it.
"""

import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_steps import compare_and_time

STEM_MULTIPLIER, NODES, INPUTS = 3, 4, 2
EDGES = tuple((source, node) for node in range(INPUTS, INPUTS + NODES) for source in range(node))


def norm(channels):
    """Batch norm without scale and bias."""
    return nn.BatchNorm2d(channels, affine=False)


def pointwise(c_in, c_out):
    """ReLU, 1x1 convolution, norm."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 1, bias=False), norm(c_out))


def separable(c, size, stride, dilation=1):
    """ReLU, depthwise convolution, 1x1 convolution, norm."""
    pad = dilation * (size // 2)
    depthwise = nn.Conv2d(c, c, size, stride, pad, dilation, groups=c, bias=False)
    return nn.Sequential(nn.ReLU(), depthwise, nn.Conv2d(c, c, 1, bias=False), norm(c))


class Halve(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2 whose grids are a pixel apart, norm."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False) for _ in range(2)])
        self.norm = norm(c_out)

    def forward(self, x):
        """Halve (B, C, H, W)."""
        x = F.relu(x)
        return self.norm(torch.cat([self.parts[0](x), self.parts[1](x[:, :, 1:, 1:])], 1))


class Edge(nn.Module):
    """All operations."""

    def __init__(self, c, stride):
        super().__init__()
        self.max = nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(c))
        self.average = nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm(c))
        self.skip = nn.Identity() if stride == 1 else Halve(c, c)
        self.separable = nn.ModuleList([nn.Sequential(separable(c, k, stride), separable(c, k, 1)) for k in (3, 5)])
        self.dilated = nn.ModuleList([separable(c, k, stride, 2) for k in (3, 5)])

    def forward(self, x, mixture):
        """Sum of the operations, `none` first, each times its entry of `mixture` (8,)."""
        operations = [self.max, self.average, self.skip, *self.separable, *self.dilated]
        return sum(share * operation(x) for share, operation in zip(mixture[1:], operations, strict=True))


class Cell(nn.Module):
    """A cell of four nodes, each the sum of the edges from all before it."""

    def __init__(self, before, last, c, reduction, reduction_before):
        super().__init__()
        self.enter = nn.ModuleList([Halve(before, c) if reduction_before else pointwise(before, c), pointwise(last, c)])
        self.edges = nn.ModuleList([Edge(c, 2 if reduction and source < INPUTS else 1) for source, _ in EDGES])

    def forward(self, before, last, mixture):
        """Concatenation of the nodes."""
        nodes = [self.enter[0](before), self.enter[1](last)]
        for node in range(INPUTS, INPUTS + NODES):
            into = [(e, source) for e, (source, target) in enumerate(EDGES) if target == node]
            nodes.append(sum(self.edges[e](nodes[source], mixture[e]) for e, source in into))
        return torch.cat(nodes[INPUTS:], 1)


class Network(nn.Module):
    """Stem, cells, classifier."""

    def __init__(self, mixture, image_channels, classes, channels, cells):
        super().__init__()
        self.register_buffer("mixture", mixture)
        width = STEM_MULTIPLIER * channels
        self.stem = nn.Sequential(nn.Conv2d(image_channels, width, 3, padding=1, bias=False), norm(width))
        before, last, halved, built = width, width, False, []
        self.kinds = [i in (cells // 3, 2 * cells // 3) for i in range(cells)]
        for reduction in self.kinds:
            channels *= 2 if reduction else 1
            built.append(Cell(before, last, channels, reduction, halved))
            before, last, halved = last, NODES * channels, reduction
        self.cells, self.classifier = nn.ModuleList(built), nn.Linear(last, classes)

    def forward(self, x):
        """Logits of (B, C, H, W)."""
        before = last = self.stem(x)
        for cell, kind in zip(self.cells, self.kinds, strict=True):
            before, last = last, cell(before, last, self.mixture[int(kind)])
        return self.classifier(last.mean((2, 3)))

    def load(self, arrays):
        """Take the weights of our network, by their names there."""
        take(self.stem[0], arrays["stem"])
        of_inputs = [e for e, (source, _) in enumerate(EDGES) if source < INPUTS]
        between = sorted((e for e in range(len(EDGES)) if e not in of_inputs), key=lambda e: EDGES[e])
        for i, cell in enumerate(self.cells):
            for entry, module in enumerate(cell.enter):
                take_any(module, arrays[f"cell{i}/input{entry}"])
            for name, numbers in (("of_inputs", of_inputs), ("between", between)):
                for row, e in enumerate(numbers):
                    edge = cell.edges[e]

                    def weights(part, name=name, row=row, i=i):
                        return arrays[f"cell{i}/{name}/{part}"][row]

                    for j, both in enumerate(edge.separable):
                        for half in range(2):
                            take(both[half][1], weights(f"depthwise{3 + 2 * j}")[half])
                        take(both[0][2], weights("first")[j])
                        take(both[1][2], weights("last")[j])
                    for j, module in enumerate(edge.dilated):
                        take(module[1], weights(f"dilated{3 + 2 * j}"))
                        take(module[2], weights("last")[2 + j])
                    if isinstance(edge.skip, Halve):
                        take_any(edge.skip, weights("halve"))
        with torch.no_grad():
            self.classifier.weight.copy_(torch.from_numpy(arrays["classifier/kernel"]).T)
            self.classifier.bias.copy_(torch.from_numpy(arrays["classifier/bias"]))


def take_any(module, kernel):
    """Give (C, D) to a 1x1 convolution with norm, or to both halves of a reduction."""
    if isinstance(module, Halve):
        for part, half in zip(module.parts, np.split(kernel, 2, axis=1), strict=True):
            take(part, half)
    else:
        take(module[1], kernel)


def take(convolution, kernel):
    """Give (K, K, C, D), (C, D), or depthwise (K, K, C) to a convolution."""
    if convolution.groups > 1:
        kernel = kernel[:, :, None]
    elif kernel.ndim == 2:
        kernel = kernel[None, None]
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)).permute(3, 2, 0, 1))


def main(path, channels, cells, repeats, options="{}"):
    """Compare the logits, time the steps, print one JSON line."""
    arrays = dict(np.load(path))
    mixture = torch.from_numpy(arrays["mixture"])
    network = Network(mixture, arrays["images"].shape[-1], arrays["logits"].shape[1], int(channels), int(cells))
    network.load(arrays)
    print(json.dumps(compare_and_time(network, arrays, int(repeats), json.loads(options))))


if __name__ == "__main__":
    main(*sys.argv[1:])
