"""No meter: energy is power by device state times time, as the power model says."""

from collections.abc import Sequence

from jcenas.carbon.meters.meter import Counter, MeteredDevice


class NoMeter:
    """No counter at all."""

    name = "none"
    measures = ""

    def open(self, devices: Sequence[MeteredDevice]) -> Sequence[Counter]:
        """None."""
        del devices
        return ()

    def read(self, places: Sequence[int]) -> Sequence[float]:
        """Nothing."""
        del places
        return ()

    def close(self) -> None:
        """Nothing to end."""
