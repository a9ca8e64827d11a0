"""Predictions of files as an Avro object container file, with those rows that could not be scored."""

import json
import secrets
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from scorer.avro.files.signatures import MAGIC
from scorer.avro.json.prediction_json import prediction_columns
from scorer.avro.values.binary import pack_long
from scorer.batch import Outcome

_BLOCK = 1 << 16  # bytes of rows, from which on a block is written
_NULL, _THERE = b"\x00", b"\x02"  # the branches of a union with null


def _optional(kind: object) -> list[object]:
    return ["null", kind]


def prediction_schema(outputs: int) -> dict[str, Any]:
    """Return the Avro schema of a file: the fields of `prediction.avsc`, then the reason and the detail of a bad row.

    Args:
        outputs: how many numbers a score has.
    """
    contribution = {
        "type": "record",
        "name": "Contribution",
        "fields": [
            {"name": "column", "type": "string"},
            {"name": "value", "type": _optional("double")},
            {"name": "contribution", "type": "double"},
        ],
    }
    moment = {"type": "long", "logicalType": "timestamp-millis"}
    kinds: dict[str, object] = {
        "event_id": "string",
        "score": _optional("double" if outputs == 1 else {"type": "array", "items": "double"}),
        "model": "string",
        "version": "string",
        "arm": "string",
        "missing": {"type": "array", "items": "string"},
        "degraded": "boolean",
        "source_topic": _optional("string"),
        "source_partition": _optional("int"),
        "source_offset": _optional("long"),
        "event_time": _optional(moment),
        "scored_at": moment,
        "explanation": _optional({"type": "array", "items": contribution}),
        "reason": _optional("string"),
        "detail": _optional("string"),
    }
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"type": "record", "name": "ScoredRow", "namespace": "scorer", "fields": fields}


class PredictionFile:
    """Writes predictions to a container file, compressed with deflate.

    Args:
        out: the file, at its beginning.
        outputs: how many numbers a score has.
    """

    def __init__(self, out: BinaryIO, outputs: int) -> None:
        self._out, self._sync, self._rows, self._held = out, secrets.token_bytes(16), 0, bytearray()
        schema = json.dumps(prediction_schema(outputs)).encode()
        entries = [(b"avro.schema", schema), (b"avro.codec", b"deflate")]
        header = b"".join(_bytes(key) + _bytes(value) for key, value in entries)
        out.write(MAGIC + pack_long(len(entries)) + header + pack_long(0) + self._sync)

    def write(self, outcome: Outcome, *, rejected: bool = True) -> None:
        """Write the rows of a batch.

        Args:
            outcome: how it was scored.
            rejected: also write the rows that could not be scored.
        """
        bad = {each.row: (each.reason.value, each.detail) for each in outcome.rejected}
        columns = prediction_columns(outcome)
        for row, values in enumerate(zip(*columns.values(), strict=True)):
            if rejected or row not in bad:
                self._held += _row(dict(zip(columns, values, strict=True)), bad.get(row))
                self._rows += 1
                if len(self._held) >= _BLOCK:
                    self._write()

    def close(self) -> None:
        """Complete the file, which stays open."""
        self._write()

    def _write(self) -> None:
        if self._rows:
            compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)  # without a header, as Avro requires
            data = compress.compress(self._held) + compress.flush()
            self._out.write(pack_long(self._rows) + _bytes(data) + self._sync)
            self._rows, self._held = 0, bytearray()


def _row(values: dict[str, Any], bad: tuple[str, str] | None) -> bytes:
    """Return a record of `prediction_schema`."""
    partition, offset, time = values["source_partition"], values["source_offset"], values["event_time"]
    return b"".join((
        _text(values["event_id"]),
        _NULL if bad else _THERE + _score(values["score"]),
        *(_text(values[name]) for name in ("model", "version", "arm")),
        _array([_text(name) for name in values["missing"]]),
        bytes([values["degraded"]]),
        _NULL if values["source_topic"] is None else _THERE + _text(values["source_topic"]),
        *(_NULL if number is None else _THERE + pack_long(number) for number in (partition, offset, time)),
        pack_long(values["scored_at"]),
        _NULL if values["explanation"] is None else _THERE + _array(map(_contribution, values["explanation"])),
        *(_THERE + _text(text) for text in bad or ()),
        b"" if bad else _NULL + _NULL,
    ))  # fmt: skip


def _score(score: float | Sequence[float]) -> bytes:
    return _array(map(_double, score)) if isinstance(score, Sequence) else _double(score)


def _contribution(each: dict[str, Any]) -> bytes:
    value = _NULL if each["value"] is None else _THERE + _double(each["value"])
    return _text(each["column"]) + value + _double(each["contribution"])


def _double(number: float) -> bytes:
    return struct.pack("<d", number)


def _text(text: str) -> bytes:
    return _bytes(text.encode())


def _bytes(data: bytes) -> bytes:
    return pack_long(len(data)) + data


def _array(items: Iterable[bytes]) -> bytes:
    held = list(items)
    return (pack_long(len(held)) if held else b"") + b"".join(held) + pack_long(0)
