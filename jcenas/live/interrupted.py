"""What executors of this machine's devices share: work that was cut goes on, and a stopped process is idle."""

from collections.abc import Callable, Iterable
from pathlib import Path

from jcenas.live.ledger import Ledger
from jcenas.runtime import checkpoint
from jcenas.train.training import TrainState

CHECKPOINT_EVERY_S = 10.0


def load_or_begin(folder: Path, fresh: TrainState, name: str, notify: Callable[[str], None]) -> TrainState:
    """The saved state of a training; where there is none, or it is damaged, the fresh one of one that begins (again).

    Args:
        folder: of the checkpoint, which is deleted where it is damaged.
        fresh: the state of a training that begins, on the device where it runs.
        name: of the training, for the user.
        notify: told of the damage.
    """
    if not checkpoint.exists(folder):
        return fresh
    try:
        return checkpoint.load(folder, fresh)
    except checkpoint.DamagedCheckpointError as error:
        notify(f"{name} is trained again from its begin: {error}")
        checkpoint.delete(folder)
        return fresh


def charge_standstill(ledger: Ledger, devices: Iterable[int], seconds: float, notify: Callable[[str], None]) -> None:
    """Charge the time in which the process was stopped as idle, and say so; nothing where it was not stopped."""
    if seconds > 0:
        for device in devices:
            ledger.stood_still(device, seconds)
        notify(f"the process stood still for {seconds:.0f} s, which count as idle")
