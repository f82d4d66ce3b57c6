"""Training steps of a PyTorch network, compared with ours first: what the networks' peers share.

Options, a JSON object: `device` ("auto": a GPU where there is one), `dtype` (bfloat16 by autocast), `batch` (of random
images; default: the compared ones), `steps` between two looks at the loss, `layouts`, `compile` (`torch.compile`).
"""

import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WARM_UP = 12  # steps before the timed ones, as ours
LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}
DEFAULTS = {"device": "cpu", "dtype": "float32", "batch": 0, "steps": 1, "layouts": list(LAYOUTS), "compile": False}


def time_steps(network, images, labels, layout, repeats, options):
    """Quartiles of a training step in seconds, and those that the first step took, compilation included."""
    network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, 0.9, weight_decay=5e-4, nesterov=True)
    mixed = torch.autocast(images.device.type, torch.bfloat16, enabled=options["dtype"] == "bfloat16")
    apply = torch.compile(network) if options["compile"] else network

    def step():
        optimizer.zero_grad()
        with mixed:
            loss = F.cross_entropy(apply(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        return loss

    begin = time.perf_counter()
    step().item()
    first, steps = time.perf_counter() - begin, options["steps"]
    warm_up, seconds = -(-WARM_UP // steps), []
    for _ in range(warm_up + repeats):
        begin = time.perf_counter()
        for _ in range(steps - 1):
            step()
        step().item()
        seconds.append((time.perf_counter() - begin) / steps)
    return statistics.quantiles(seconds[warm_up:], n=4), first


def compare_and_time(network, arrays, repeats, options):
    """Raise unless the network's logits are those in `arrays`; then time its steps. Returns what is printed."""
    options = DEFAULTS | options
    device = options["device"]
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    network = network.to(device)
    images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).to(device)
    logits = arrays["logits"]
    difference = float(np.abs(network(images).detach().cpu().numpy() - logits).max() / np.abs(logits).max())
    if difference > 1e-3:
        raise SystemExit(f"the networks differ by {difference} of the largest logit: nothing to time")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True  # as XLA does
    if options["batch"]:
        images = torch.randn(options["batch"], *images.shape[1:], device=device)
    labels = torch.zeros(len(images), dtype=torch.long, device=device)
    result = {}
    for name in options["layouts"]:
        result[name], first = time_steps(network, images, labels, LAYOUTS[name], repeats, options)
        result[f"first_{name}"] = first
    count = sum(p.numel() for p in network.parameters())
    return result | {"torch": torch.__version__, "parameters": count, "difference": difference, "device": device}
