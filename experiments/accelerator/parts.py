"""The parts of the accelerator's records, the most telling first."""

from experiments.accelerator.runner import Part

_HERE = "experiments.accelerator"
_GRIDS = ("US-CAL-CISO", "US-MIDA-PJM", "US-TEX-ERCO", "DE-LU")
_SEARCHES = (
    "nasbench201/nb201_accuracy_cost.csv.gz",
    *(f"carbon/emaps_2021-2024/{grid}.csv.gz" for grid in _GRIDS),
)
_CIFAR10 = ("images/cifar10_train_jpeg.npz", "images/cifar10_test_jpeg.npz")
PARTS = {
    "machine": Part(f"{_HERE}.machine", 20),
    "hypervolume": Part(f"{_HERE}.hypervolume", 50),
    "networks": Part(f"{_HERE}.networks", 130),
    "population": Part(f"{_HERE}.population", 70),
    "search": Part(f"{_HERE}.search", 65),
    "ppo": Part(f"{_HERE}.ppo", 50),
    "simulator": Part(f"{_HERE}.simulator", 55, _SEARCHES),
    "tests": Part(f"{_HERE}.marked_tests", 80),
    "forecaster": Part(f"{_HERE}.forecaster", 30),
    "cifar10": Part(f"{_HERE}.cifar10", 60, _CIFAR10),
}
