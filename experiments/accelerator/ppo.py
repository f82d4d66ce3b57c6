"""PPO on CartPole, training included, with few and with many environments."""

from experiments.accelerator.table import Table
from experiments.cenas import ppo_speed

COLUMNS = ppo_speed.COLUMNS[1:]
EXPECTED = (
    "as first measured on a GPU: at least 157,000, 23.2 million and 53.8 million steps/s with 8, 2,048 and 16,384 "
    "environments"
)
NOTES = (
    "128 steps, 4 epochs, 4 minibatches, two layers of 64 units; training included; median of 3 runs.",
    "Learning is checked with 8 environments (mean return above 300); more of them learn less in as many updates.",
)
ROW_S = 60.0
UPDATES = {2048: 100, 16384: 40, 8: 390}


def measure(table: Table, *, smoke: bool) -> None:
    """A row for each number of environments."""
    for environments, updates in ({4: 4} if smoke else UPDATES).items():

        def measured(environments: int = environments, updates: int = updates) -> dict:
            least = 300.0 if environments == 8 else 0.0
            cells = ppo_speed.our_row(environments, updates, 1 if smoke else 3, least=least)
            return dict(zip(COLUMNS, cells[1:], strict=True))

        table.row(f"{environments:,} environments", measured, limit_s=ROW_S)
