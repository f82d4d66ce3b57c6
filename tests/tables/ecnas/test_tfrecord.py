"""Record files that the tests write themselves, field by field, and damage."""

import base64
import json
import struct

import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.tables import load_table, store
from jcenas.tables.ecnas import tfrecord as tf
from jcenas.tables.ecnas.table import ecnas_table


def varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def double(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def text(field, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def evaluation(epoch, accuracy, energy=None):
    message = double(1, epoch) + double(2, 10.0 * epoch) + double(3, 1.0) + double(4, accuracy) + double(5, 0.5)
    return message if energy is None else message + double(6, energy) + double(7, 2 * energy) + text(9, "2022")


def usage(watts, joules, device):
    return text(1, double(1, watts)) + text(2, double(1, joules)) + text(3, text(1, device))


def energy_message(accuracy, energy, epochs):
    parts = [text(1, evaluation(e, accuracy, energy)) for e in (0, epochs / 2, epochs)]
    total = varint(2 << 3) + varint(8555530) + double(3, 99.0) + double(4, 0.5)
    power = text(9, text(1, usage(150.0, 3e4, "gpu")) + text(2, usage(60.0, 1e4, "cpu:0") + usage(40.0, 1e4, "cpu:1")))
    return b"".join(parts) + total + power + varint(77 << 3 | 5) + struct.pack("<f", 1.0)  # an unknown field


def frame(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", tf.masked_crc(head)) + data + struct.pack("<I", tf.masked_crc(data))


def row(epochs, message, adjacency="010001000", labels="input,conv3x3-bn-relu,output"):
    return frame(json.dumps(["ab12", epochs, adjacency, labels, base64.encodebytes(message).decode()]).encode())


def test_checksum_of_the_published_vector():
    # RFC 3720, B.4: CRC-32C of 32 zero bytes is 0x8A9136AA; then the record format's mask.
    crc = 0x8A9136AA
    assert tf.masked_crc(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_varints_and_nested_messages():
    message = energy_message(0.8, 0.02, 4)
    found = tf.parse_message(message, tf.ECNAS)
    assert found["parameters"] == [8555530]
    assert [e["current_epoch"][0] for e in found["evaluations"]] == [0, 2, 4]
    assert found["evaluations"][2]["start"] == ["2022"]
    cpu = found["power"][0]["cpu"]
    assert [name["name"][0] for usages in cpu for name in usages["devices"]] == ["cpu:0", "cpu:1"]


def test_a_table_from_a_file(tmp_path):
    path = tmp_path / "energy.tfrecord"
    pair = ("0100", "input,output")
    path.write_bytes(
        row(4, energy_message(0.8, 0.02, 4))
        + row(4, energy_message(0.1, 9.0, 4))  # a second repeat: the first one counts
        + row(108, energy_message(0.9, 0.54, 108))
        + row(4, energy_message(0.4, 0.005, 4), *pair)
    )
    bench = tf.read(path, vertices=4, verify=True)
    chain = "010001000:input,conv3x3-bn-relu,output"
    found = bench.query(chain, 4)
    expected = {"energy_kwh": 0.02, "co2_g": 0.04, "validation_accuracy": 80, "train_time_s": 40, "gpu_power_w": 150}
    expected |= {"total_time_s": 99, "total_energy_kwh": 0.5, "gpu_energy_j": 3e4, "parameters": 8555530}
    expected |= {"cpu_power_w": 100, "cpu_energy_j": 2e4}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
    assert bench.query(chain, 108, "validation_accuracy") == pytest.approx(90)
    assert bench.query("0100:input,output", 4, "energy_kwh") == pytest.approx(0.005)
    assert np.isfinite(np.asarray(bench.columns["energy_kwh"])).sum() == 3


def test_import_makes_the_table_of_that_name(tmp_path, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "data"))
    source = tmp_path / "energy_4V9E_linscale.tfrecord"
    source.write_bytes(
        row(4, energy_message(0.8, 0.02, 4))
        + row(108, energy_message(0.9, 0.54, 108))
        + row(108, energy_message(0.4, 0.1, 108), "0100", "input,output")
    )
    ecnas_table.cache_clear()
    try:
        path = store.import_file("ecnas-4v", source)
        assert [file.name for file in path.parent.iterdir()] == [path.name]
        table = load_table("ecnas-4v")
        found = {name: np.sort(np.asarray(table.column(name))) for name in ("error", "energy_kwh", "train_seconds")}
        np.testing.assert_allclose(found["error"], [50, 50])  # the test accuracy of `evaluation`
        np.testing.assert_allclose(found["energy_kwh"], [0.1, 0.54], rtol=1e-6)
        np.testing.assert_allclose(found["train_seconds"], [1080, 1080])
        assert "energy_4V9E_linscale.tfrecord, 3 trainings" in dict(table.notes)["energy_kwh"]
        path.write_bytes(path.read_bytes()[:100])
        ecnas_table.cache_clear()
        with pytest.raises(InputError, match=r"ecnas-4v FILE\.tfrecord` again"):
            load_table("ecnas-4v")
    finally:
        ecnas_table.cache_clear()


def test_import_refuses_what_makes_no_table(tmp_path, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "data"))
    source = tmp_path / "energy_4V9E_raw.tfrecord"
    source.write_bytes(row(4, energy_message(0.8, 0.02, 4)))
    with pytest.raises(InputError, match="no cell with accuracies, energy and time of 108 epochs"):
        store.import_file("ecnas-4v", source)
    with pytest.raises(InputError, match="imported as one of ecnas-4v, ecnas-5v, ecnas-7v, not as 'images'"):
        store.import_file("images", source)
    with pytest.raises(InputError, match="cannot be read"):
        store.import_file("ecnas-4v", tmp_path / "none.tfrecord")
    assert not (tmp_path / "data").exists()


def test_damage_is_found(tmp_path):
    path = tmp_path / "file.tfrecord"
    good = row(4, energy_message(0.8, 0.02, 4))

    def refused(data, message, **options):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            tf.read(path, vertices=4, **options)

    refused(good + good[:-10], "cut off in record 1")
    refused(good + good[:7], "cut off in record 1")
    refused(b"x" + good, "damaged at record 0")
    refused(good[:40] + b"?" + good[41:], "damaged at record 0", verify=True)
    refused(frame(b"[1, 2]"), "no training of a cell")
    refused(row(4, b"\x09\x00"), "cut off or damaged")
    refused(row(4, b"\x0a\xff"), "cut off or damaged")
    refused(row(4, double(1, 1.0)), "wire type 1 where 2")
    refused(row(4, b"\x0b"), "wire type 3")
    refused(row(5, energy_message(0.8, 0.02, 4)), "holds no cell")
    with pytest.raises(InputError, match="cannot be read"):
        tf.read(tmp_path / "none.tfrecord", vertices=4)
