"""The same network in PyTorch eager, as users of PyTorch write it: the peer of `experiments/forecast/speed.py`.

Run by that script in a Python that has PyTorch; prints one JSON line: median and quartiles of a training step in
seconds, the version, and the number of parameters.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn

WINDOW, HORIZON, PAST, FUTURE, LEVELS = 168, 96, 18, 50, 7


class Block(nn.Module):
    """Pre-norm block with PyTorch's fused attention."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width))

    def forward(self, x):
        """Apply to (B, T, d)."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(self.norm_mlp(x))


class Network(nn.Module):
    """Patches of prepared inputs to quantiles."""

    def __init__(self, width, layers, heads, patch):
        super().__init__()
        self.patch, self.ahead = patch, HORIZON // patch
        self.past, self.future = nn.Linear(patch * PAST, width), nn.Linear(patch * FUTURE, width)
        self.position = nn.Parameter(torch.zeros((WINDOW + HORIZON) // patch, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, patch * LEVELS)
        self.skip = nn.Linear(patch * FUTURE, patch * LEVELS, bias=False)

    def forward(self, past, future):
        """Past (B, 168, 18) and future (B, 96, 51) to (B, 96, 7)."""
        batch = past.shape[0]
        future = future.reshape(batch, self.ahead, -1)
        tokens = torch.cat((self.past(past.reshape(batch, WINDOW // self.patch, -1)), self.future(future)), dim=1)
        x = self.norm(self.blocks(tokens + self.position)[:, -self.ahead :])
        raw = (self.head(x) + self.skip(future)).reshape(batch, HORIZON, LEVELS)
        steps, median = nn.functional.softplus(raw - 1.0), raw[..., 3:4]
        below = torch.flip(torch.cumsum(torch.flip(steps[..., :3], (-1,)), -1), (-1,))
        return torch.cat((median - below, median, median + torch.cumsum(steps[..., 4:], -1)), -1)


def main(width, layers, heads, patch, batch, repeats, device="cpu"):
    """Time training steps; print one JSON line. `device`: "auto" is a GPU where there is one."""
    torch.manual_seed(0)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_default_device(device)
    network = Network(width, layers, heads, patch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    past, future = torch.randn(batch, WINDOW, PAST), torch.randn(batch, HORIZON, FUTURE)
    target = torch.randn(batch, HORIZON, 1)
    levels = torch.tensor([0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95])
    seconds = []
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        over = target - network(past, future)
        loss = torch.maximum(levels * over, (levels - 1) * over).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begin)
    q1, median, q3 = statistics.quantiles(seconds[2:], n=4)
    count = sum(p.numel() for p in network.parameters())
    print(json.dumps({"median_s": median, "q1_s": q1, "q3_s": q3, "torch": torch.__version__, "parameters": count}))


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:7]), *sys.argv[7:])
