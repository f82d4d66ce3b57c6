"""The most numbers that the maps of a network hold at once while it classifies one image, by counting.

The maps are counted in the order in which the network computes them, by the rules that a careful run time follows:

* Each convolution, pool and matrix product reads maps and writes a new one. Norms, activations, scalings and identities
  are done on the way, and take nothing.
* A sum is written into the first of its terms that is new; a sum of nothing but older maps is new.
* A concatenation is where its parts are; some channels of a map are that map.
* A map lives from the step that writes it to the last step that reads it. What no answer needs is not computed.

XLA's own buffers follow from its fusions and differ between back ends and versions; this count does not.
"""


class Maps:
    """The steps of one network, and the sizes of the maps that they write. Maps are known by their numbers."""

    def __init__(self):
        """No steps."""
        self._sizes: list[int] = []
        self._steps: list[tuple[int, tuple[int, ...]]] = []  # what is written, what is read

    def new(self, size: int, *reads: int) -> int:
        """A step that reads maps and writes a new one of `size` numbers."""
        self._sizes.append(int(size))
        self._steps.append((len(self._sizes) - 1, reads))
        return len(self._sizes) - 1

    def add(self, into: int, *terms: int) -> None:
        """A step that adds maps to another one, in place."""
        self._steps.append((into, terms))

    def most(self, *results: int) -> int:
        """The most numbers that live at once until these results are there."""
        needed, steps = set(results), []
        for written, reads in reversed(self._steps):
            if written in needed:
                needed.update(reads)
                steps.append((written, reads))
        steps.reverse()
        last = {number: step for step, (written, reads) in enumerate(steps) for number in (written, *reads)}
        alive, live, most = set(), 0, 0
        for step, (written, reads) in enumerate(steps):
            if written not in alive:
                alive.add(written)
                live += self._sizes[written]
            most = max(most, live)
            for number in {written, *reads}:
                if last[number] == step:
                    alive.discard(number)
                    live -= self._sizes[number]
        return most


class Sum:
    """A sum that is written while its terms are computed."""

    def __init__(self, maps: Maps, size: int):
        """Of no terms yet; the result has `size` numbers."""
        self._maps, self._size = maps, size
        self._new: int | None = None
        self._older: list[int] = []

    def new(self, term: int) -> None:
        """Add a map that nothing else reads."""
        if self._new is not None:
            self._maps.add(self._new, term)
            return
        self._new = term
        if self._older:
            self._maps.add(term, *self._older)

    def older(self, term: int) -> None:
        """Add a map that others read too."""
        if self._new is not None:
            self._maps.add(self._new, term)
        else:
            self._older.append(term)

    def result(self) -> int | None:
        """The map of the sum; None if there were no terms."""
        if self._new is not None or not self._older:
            return self._new
        return self._older[0] if len(self._older) == 1 else self._maps.new(self._size, *self._older)


def classified(maps: Maps, channels: int, classes: int, *last: int) -> int:
    """The most numbers until the logits: the mean over the pixels of the last maps, then a dense layer."""
    return maps.most(maps.new(classes, maps.new(channels, *last)))
