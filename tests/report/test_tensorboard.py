"""Events of a run, read back from the file's records."""

import builtins
import collections
import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image

from jcenas.errors import InputError
from jcenas.live.progress import Progress, Quiet, Together
from jcenas.report.tensorboard import FOLDER, TensorBoard

MOMENT = Progress(
    run="first & last",
    stage="search",
    hour=1,
    intensity_g_per_kwh=300.0,
    evaluation_share=0.25,
    queued=4,
    emissions_g=88.0,
    energy_kwh=0.22,
    hypervolume=0.0,
)


def events_of(folder):
    """Events by tag: (step, value) of scalars, (step, pixels) of images."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="needs the extra tensorboard")
    found = collections.defaultdict(list)
    for file in sorted((folder / FOLDER).iterdir()):
        content = io.BytesIO(file.read_bytes())
        while head := content.read(12):  # length, and a checksum of it; then the event, and a checksum of that
            event = event_pb2.Event.FromString(content.read(struct.unpack("<Q", head[:8])[0]))
            content.read(4)
            for value in event.summary.value:
                one = value.simple_value
                if value.HasField("image"):
                    one = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
                found[value.tag].append((event.step, one))
    return found


def watch(folder, moments, **settings):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    with TensorBoard(lambda run: folder.parent / run, pytest.fail, **settings) as board:
        for moment in moments:
            board.update(moment)
    return events_of(folder)


def test_scalars_by_hour_and_by_evaluation(finished):
    later = dataclasses.replace(MOMENT, elapsed_s=9.0, emissions_g=90.0)  # nothing but time has passed
    first = dataclasses.replace(MOMENT, hour=2, evaluations=2, best_accuracy=0.9, hypervolume=0.3, emissions_g=100.0)
    second = dataclasses.replace(first, evaluations=3, best_accuracy=0.95, hypervolume=0.42, emissions_g=110.0)
    found = watch(finished, [MOMENT, later, first, second])
    assert found["hour/intensity_g_per_kwh"] == [(1, 300.0), (2, 300.0)]
    assert found["hour/evaluation_share"] == [(1, 0.25), (2, 0.25)]
    assert found["hour/queued"] == [(1, 4.0), (2, 4.0)]
    assert found["evaluations/hypervolume"] == [(0, 0.0), (2, pytest.approx(0.3)), (3, pytest.approx(0.42))]
    assert found["evaluations/best_accuracy"] == [(2, pytest.approx(0.9)), (3, pytest.approx(0.95))]
    assert found["evaluations/emissions_g"] == [(0, 88.0), (2, 100.0), (3, 110.0)]
    # The last are the sums of the run database, at its last hour.
    assert found["hour/emissions_g"] == [(1, 88.0), (2, 100.0), (4, pytest.approx(196.0))]
    assert found["hour/energy_kwh"] == [(1, pytest.approx(0.22)), (2, pytest.approx(0.22)), (4, pytest.approx(0.9))]


def test_figures_at_the_end_and_every_now_and_then(finished):
    found = watch(finished, [MOMENT])
    for name in ("pareto", "schedule", "progress"):
        ((step, pixels),) = found[f"figures/{name}"]
        assert step == 4
        assert pixels.shape[2] == 3
        assert pixels.std() > 5  # something is drawn
    often = watch(finished, [MOMENT, dataclasses.replace(MOMENT, hour=2)], figures_s=0.0)
    assert len(often["figures/pareto"]) >= 3  # of the run before, of a moment in between, and the last


def test_a_second_start_writes_beside_the_first(finished):
    watch(finished, [MOMENT])
    found = watch(finished, [dataclasses.replace(MOMENT, hour=3)])
    assert {step for step, _ in found["hour/queued"]} == {1, 3}


def test_a_run_that_cannot_be_drawn_is_one_line(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    said = []
    with TensorBoard(lambda run: tmp_path / "none", said.append) as board:
        board.update(MOMENT)
    (line,) = said
    assert line.startswith("no figures for TensorBoard: InputError: ")
    assert "\n" not in line


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    usual = builtins.__import__

    def lacking(name, *arguments, **named):
        if name == "tensorboardX":
            raise ImportError(name)
        return usual(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(InputError, match=r"--tensorboard needs tensorboardX; pip install 'jcenas\[tensorboard\]'"):
        TensorBoard(lambda run: None, pytest.fail)


def test_several_observers_are_told_alike():
    class Keep(Quiet):
        def __init__(self):
            self.seen = []

        def __enter__(self):
            self.seen.append("enter")
            return self

        def __exit__(self, *error):
            self.seen.append("exit")

        def update(self, progress):
            self.seen.append(progress.hour)

        def log(self, message, **fields):
            self.seen.append((message, fields))

    first, second = Keep(), Keep()
    with Together(first, second) as both:
        both.update(MOMENT)
        both.log("a", b=1)
    assert first.seen == second.seen == ["enter", 1, ("a", {"b": 1}), "exit"]
