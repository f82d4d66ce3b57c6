"""EC-NAS's own record files (`.tfrecord`), read without TensorFlow; `jcenas data import` converts them.

A record is its length (8 bytes), a checksum of that, the data, and a checksum of the data; all little-endian, checksums
masked CRC-32C. The data is a JSON list: hash, epochs, adjacency digits, labels, and a message of numbers in Protocol
Buffers' wire format, in base64. Messages are read by field number; unknown fields are skipped.
"""

import base64
import json
import os
import pathlib
import struct as binary
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.spaces import nasbench101 as cells
from jcenas.spaces.nasbench101 import Cell
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas.dataset import BUDGETS, DIRECT, SAMPLED, EcNas

_DOUBLE, _INT, _TEXT = "double", "int", "text"
Schema = dict[int, tuple[str, Any]]  # field number -> name and kind: _DOUBLE, _INT, _TEXT, or a Schema for a message

_EVALUATION: Schema = {
    1: ("current_epoch", _DOUBLE),
    2: ("training_time", _DOUBLE),
    3: ("train_accuracy", _DOUBLE),
    4: ("validation_accuracy", _DOUBLE),
    5: ("test_accuracy", _DOUBLE),
}
_USAGE: Schema = {1: ("value", _DOUBLE)}
_DEVICES: Schema = {1: ("watts", _USAGE), 2: ("joules", _USAGE), 3: ("devices", {1: ("name", _TEXT)})}
_ENERGY_EVALUATION: Schema = _EVALUATION | {
    6: ("energy", _DOUBLE),
    7: ("co2eq", _DOUBLE),
    8: ("avg_intensity", _DOUBLE),
    9: ("start", _TEXT),
    10: ("stop", _TEXT),
    11: ("pred_energy", _DOUBLE),
    12: ("pred_co2eq", _DOUBLE),
    13: ("pred_training_time", _DOUBLE),
    14: ("pred_avg_intensity", _DOUBLE),
}
ECNAS: Schema = {
    1: ("evaluations", _ENERGY_EVALUATION),
    2: ("parameters", _INT),
    3: ("total_time", _DOUBLE),
    4: ("total_energy", _DOUBLE),
    5: ("total_co2eq", _DOUBLE),
    6: ("start", _TEXT),
    7: ("stop", _TEXT),
    8: ("overall_avg_intensity", _DOUBLE),
    9: ("power", {1: ("gpu", _DEVICES), 2: ("cpu", _DEVICES)}),
}


class Record(NamedTuple):
    """One training of one cell."""

    hash: str
    epochs: int
    cell: Cell
    metrics: dict[str, list]  # name -> all values of that field, nested messages as dicts of the same kind


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def masked_crc(data: bytes) -> int:
    """Checksum of the record format: CRC-32C (Castagnoli), rotated by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def raw_records(path: str | os.PathLike, *, verify: bool = False) -> Iterator[bytes]:
    """The data of each record of a file.

    Args:
      path: the file.
      verify: also check the checksums of the data, which is slow; those of the lengths are always checked.

    Raises:
      InputError: the file cannot be read, is cut off, or a checksum is wrong; names the record.
    """
    path = pathlib.Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give the path of a .tfrecord file") from error
    with file:
        number = 0
        while head := file.read(12):
            if len(head) < 12:
                raise InputError(f"{path} is cut off in record {number}; get the file again")
            (length, check) = binary.unpack("<QI", head)
            if masked_crc(head[:8]) != check:
                raise InputError(f"{path} is no record file, or damaged at record {number}; get the file again")
            body = file.read(length + 4)
            if len(body) < length + 4:
                raise InputError(f"{path} is cut off in record {number}; get the file again")
            if verify and masked_crc(body[:-4]) != binary.unpack("<I", body[-4:])[0]:
                raise InputError(f"{path} is damaged at record {number}; get the file again")
            yield body[:-4]
            number += 1


def parse_message(data: bytes, schema: Schema) -> dict[str, list]:
    """All values of the known fields of one message.

    Raises:
      InputError: the bytes are not in wire format, or a field has another type.
    """
    found: dict[str, list] = {name: [] for name, _ in schema.values()}
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            wire = tag & 7
            if wire == 0:
                value, at = _varint(data, at)
            elif wire == 1:
                value, at = binary.unpack_from("<d", data, at)[0], at + 8
            elif wire == 2:
                length, at = _varint(data, at)
                if at + length > len(data):
                    raise IndexError
                value, at = data[at : at + length], at + length
            elif wire == 5:
                value, at = binary.unpack_from("<f", data, at)[0], at + 4
            else:
                raise InputError(f"a message holds wire type {wire}; the file is damaged or of another format")
            if tag >> 3 in schema:
                name, kind = schema[tag >> 3]
                found[name].append(_value(value, wire, kind))
    except (IndexError, binary.error, UnicodeDecodeError) as error:
        raise InputError("a message is cut off or damaged; get the file again") from error
    return found


def _value(value, wire: int, kind):
    wanted = {_DOUBLE: 1, _INT: 0}.get(kind, 2) if isinstance(kind, str) else 2
    if wire != wanted:
        raise InputError(f"a message has wire type {wire} where {wanted} belongs; the file is of another format")
    if isinstance(kind, dict):
        return parse_message(value, kind)
    return value.decode() if kind == _TEXT else value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def records(path: str | os.PathLike, *, verify: bool = False) -> Iterator[Record]:
    """Every training in a file.

    Raises:
      InputError: the file is damaged or of another format; names the record.
    """
    for number, data in enumerate(raw_records(path, verify=verify)):
        try:
            name, epochs, adjacency, labels, metrics = json.loads(data)
            message = base64.b64decode(metrics)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: record {number} is no training of a cell; is this the right file?") from error
        cell = cells.from_string(f"{adjacency}:{labels}")
        yield Record(name, int(epochs), cell, parse_message(message, ECNAS))


# Field of the last evaluation, or of the whole message -> metric and factor.
_LAST = {
    "training_time": ("train_time_s", 1.0),
    "validation_accuracy": ("validation_accuracy", 100.0),
    "test_accuracy": ("test_accuracy", 100.0),
    "energy": ("energy_kwh", 1.0),
    "co2eq": ("co2_g", 1.0),
    "pred_energy": ("predicted_energy_kwh", 1.0),
    "pred_co2eq": ("predicted_co2_g", 1.0),
    "pred_training_time": ("predicted_time_s", 1.0),
}
_WHOLE = {
    "total_time": ("total_time_s", 1.0),
    "total_energy": ("total_energy_kwh", 1.0),
    "total_co2eq": ("total_co2_g", 1.0),
    "overall_avg_intensity": ("intensity_g_per_kwh", 1.0),
}


def read(path: str | os.PathLike, *, vertices: int, verify: bool = False) -> EcNas:
    """A table from a record file: the first training of each cell and budget.

    Args:
      path: such as `energy_5V9E_linscale.tfrecord`.
      vertices: frame, 3 to 7; cells with more are left out.
      verify: see `raw_records`.

    Raises:
      InputError: as `records`, or the file holds no cell of the space.
    """
    book = catalog(vertices)
    trainings = [record for record in records(path, verify=verify) if _belongs(record, vertices)]
    if not trainings:
        raise InputError(f"{path} holds no cell of at most {vertices} vertices; choose another space or file")
    genomes = np.stack([cells.encode(record.cell, vertices) for record in trainings])
    number = np.asarray(book.index(jnp.asarray(genomes)))
    columns: dict[str, np.ndarray] = {}
    parameters = np.zeros(book.size, np.int32)
    for n, record in zip(number, trainings, strict=True):
        parameters[n] = record.metrics["parameters"][0] if record.metrics["parameters"] else 0
        for name, value in _flat(record.metrics).items():
            column = columns.setdefault(name, np.full((book.size, len(BUDGETS)), np.nan))
            place = (n, BUDGETS.index(record.epochs))
            column[place] = value if np.isnan(column[place]) else column[place]
    return EcNas(
        columns={name: jnp.asarray(column, jnp.float32) for name, column in sorted(columns.items())},
        parameters=jnp.asarray(parameters),
        catalog=book,
        name=f"{vertices}V",
        campaign=SAMPLED if vertices > 5 else DIRECT,
        budgets=BUDGETS,
        linear_scaling=True,
        notes=(f"read from {pathlib.Path(path).name}, {len(trainings)} trainings",),
    )


def _belongs(record: Record, vertices: int) -> bool:
    """True for a training of a cell of the space, at a budget of the benchmark."""
    return len(record.cell.operations) <= vertices and record.epochs in BUDGETS


def _flat(metrics: dict[str, list]) -> dict[str, float]:
    """The metrics of one training under the names of `jcenas.tables.ecnas.dataset.METRICS`."""
    found = {}
    if evaluations := metrics["evaluations"]:
        for field, (name, factor) in _LAST.items():
            if evaluations[-1].get(field):
                found[name] = factor * evaluations[-1][field][-1]
    for field, (name, factor) in _WHOLE.items():
        if metrics.get(field):
            found[name] = factor * metrics[field][-1]
    for power in metrics.get("power", []):
        for device in ("gpu", "cpu"):
            for usage in power[device][-1:]:
                for field, unit in (("watts", "power_w"), ("joules", "energy_j")):
                    if usage[field]:
                        found[f"{device}_{unit}"] = sum(value["value"][0] for value in usage[field])
    return found
