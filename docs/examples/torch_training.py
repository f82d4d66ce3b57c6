"""Carbon-aware search of PyTorch networks: the checkpoint protocol around an ordinary training loop.

    pip install torch
    python docs/examples/torch_training.py --hours 12

Only `evaluate` knows of PyTorch, and only worker processes import it. docs/own_function.md explains the protocol.
"""

import argparse
import os
from pathlib import Path

from jcenas import Problem, search

SPACE = {"channels": [4, 8, 16, 32], "blocks": [1, 2, 3], "kernel": [3, 5], "learning_rate": [0.001, 0.003, 0.01]}
CLASSES, SIDE, BATCH = 10, 8, 64


def multiply_adds(genome):
    """Of the convolutions of one image: the cost, counted without training."""
    inputs, total = 1, 0
    for _ in range(genome["blocks"]):
        total += SIDE * SIDE * genome["kernel"] ** 2 * inputs * genome["channels"]
        inputs = genome["channels"]
    return total


def network(genome):
    """A convolutional network of a few blocks."""
    from torch import nn

    layers, inputs = [], 1
    for _ in range(genome["blocks"]):
        convolution = nn.Conv2d(inputs, genome["channels"], genome["kernel"], padding=genome["kernel"] // 2)
        layers += [convolution, nn.BatchNorm2d(genome["channels"]), nn.ReLU()]
        inputs = genome["channels"]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * inputs, CLASSES))


def data():
    """Digits of scikit-learn as tensors: (images, labels) for training and for validation."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 1, SIDE, SIDE)
    x, x_validation, y, y_validation = train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels)
    floats, longs = torch.float32, torch.int64
    train = torch.as_tensor(x, dtype=floats), torch.as_tensor(y, dtype=longs)
    return train, (torch.as_tensor(x_validation, dtype=floats), torch.as_tensor(y_validation, dtype=longs))


def evaluate(genome, seed, budget, folder):
    """Train, pausing where the search asks for it; the share of wrong answers on the validation part."""
    import torch
    from torch import nn

    device = f"cuda:{budget.worker % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed)
    (x, y), (x_validation, y_validation) = data()
    model = network(genome).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=genome["learning_rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.epochs)
    parts, done = {"model": model, "optimizer": optimizer, "schedule": schedule}, 0
    checkpoint = Path(folder, "checkpoint.pt")
    if checkpoint.exists():
        kept = torch.load(checkpoint, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(kept[name])
        done = kept["done"]
    while done < budget.epochs:
        if budget.over():
            kept = {name: part.state_dict() for name, part in parts.items()}
            torch.save({**kept, "done": done}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)  # a kill leaves the old one or the new one
            budget.pause(done / budget.epochs)
        model.train()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + done))  # the same after a pause
        for rows in order.split(BATCH):
            loss = nn.functional.cross_entropy(model(x[rows].to(device)), y[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        done += 1
    model.eval()
    with torch.no_grad():
        right = (model(x_validation.to(device)).argmax(1).cpu() == y_validation).float().mean()
    return 1.0 - float(right)


def main(arguments=None):
    """Search, and print the front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=24, help="trace hours, of five seconds each")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="one for each accelerator")
    given = parser.parse_args(arguments)
    problem = Problem.from_function(SPACE, evaluate, costs={"multiply_adds": multiply_adds}, time_limit_s=600)
    settings = {"hours": given.hours, "hour_seconds": 5.0, "epochs": given.epochs, "devices": given.workers}
    result = search(problem=problem, optimizer="lamoo", policy="plan", zone="DE", **settings)
    print(result.pareto[["cell", "accuracy", "multiply_adds", "emissions_g"]].to_string(index=False))


if __name__ == "__main__":
    main()
