"""The supernets of a run: trained before anything is scored, on all devices of a process at once, and charged.

Devices of several processes do not train one supernet together: one of them trains it, and the others read it.
"""

from collections.abc import Callable, Sequence

from jcenas.live.device_work import DeviceLostError, DeviceWork
from jcenas.live.interrupted import charge_standstill
from jcenas.live.ledger import Ledger

_TINY_H = 1e-9


class Supernets:
    """Who trains the supernets, and what that costs."""

    def __init__(self, ledger: Ledger, at_work: Sequence[DeviceWork]):
        """Bind; nothing is trained yet.

        Args:
            ledger: to charge.
            at_work: every device by its number.
        """
        self._ledger, self._at_work = ledger, at_work
        self._lead: DeviceWork | None = None  # who trains
        self._done = False

    def train(
        self, present: Sequence[int], until: float, should_stop: Callable[[], bool], notify: Callable[[str], None]
    ) -> bool:
        """Go on training until a trace hour; whether everything is trained.

        Args:
            present: numbers of the devices that are there; the first of them trains, perhaps with the others.
            until: trace hour.
            should_stop: whether the search ends.
            notify: told of the progress.

        Raises:
            InputError: the loss became NaN or infinite.
            DeviceLostError: the device that trains is gone; the next one goes on from the last checkpoint.
        """
        if self._done:
            return True
        try:
            return self._go_on(self._at_work[present[0]], present, until, should_stop, notify)
        except DeviceLostError:
            self._lead = None
            raise

    def _go_on(
        self,
        lead: DeviceWork,
        present: Sequence[int],
        until: float,
        should_stop: Callable[[], bool],
        notify: Callable[[str], None],
    ) -> bool:
        """`train` by one device."""
        if self._lead is not lead:
            self._done, said = lead.begin_supernet()
            self._lead = lead
            _tell(said, notify)
        while not self._done:
            if min(self._ledger.clock[device] for device in present) >= until - _TINY_H or should_stop():
                lead.save_supernet()
                return False
            self._chunk(lead, present, notify)
        return True

    def _chunk(self, lead: DeviceWork, present: Sequence[int], notify: Callable[[str], None]) -> None:
        """Train a chunk and charge it."""
        ledger, chunk = self._ledger, lead.train_supernet()
        for device in present:
            ledger.standing(device, "compiling", "compiling", chunk.compiled_s)
        charge_standstill(ledger, present, chunk.took.stood, notify)
        for device in present[: chunk.busy]:
            ledger.spend(device, "training", "supernet", chunk.took.ran)
        for device in present[chunk.busy :]:
            ledger.idle(device, ledger.clock[present[0]])
        self._done = chunk.done
        _tell(chunk.said, notify)
        notify(f"supernet {chunk.number}: step {chunk.step} of {chunk.total}, loss {chunk.loss:.3f}")


def _tell(lines: Sequence[str], notify: Callable[[str], None]) -> None:
    for line in lines:
        notify(line)
