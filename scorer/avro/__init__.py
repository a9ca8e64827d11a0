"""Avro: schemas, decoding into columns, encoding predictions, and events as plain JSON."""

from scorer.avro.decode.decoder import Decoder
from scorer.avro.decode.wanted import Wanted
from scorer.avro.encode.capture import CAPTURE_TEXT, Captured, CapturedRow, read_capture
from scorer.avro.encode.encoder import PREDICTION, PREDICTION_TEXT, Encoder
from scorer.avro.evolution.mapping import Mapped, has_default, mapped
from scorer.avro.files.files import read_events
from scorer.avro.files.prediction_file import PredictionFile
from scorer.avro.framing import (
    SCHEMA_HEADER,
    Confluent,
    Framing,
    Writers,
    prefixed,
    read_written,
    single_object,
    unframed,
)
from scorer.avro.json.jsonl import BadEvent, Converter
from scorer.avro.json.prediction_json import prediction_columns, prediction_json, score_json
from scorer.avro.json.reread import Reread
from scorer.avro.json.salvage import Salvage
from scorer.avro.schema.schema import Schema
from scorer.avro.values.decimals import MOST_DIGITS

__all__ = [
    "CAPTURE_TEXT",
    "MOST_DIGITS",
    "PREDICTION",
    "PREDICTION_TEXT",
    "SCHEMA_HEADER",
    "BadEvent",
    "Captured",
    "CapturedRow",
    "Confluent",
    "Converter",
    "Decoder",
    "Encoder",
    "Framing",
    "Mapped",
    "PredictionFile",
    "Reread",
    "Salvage",
    "Schema",
    "Wanted",
    "Writers",
    "has_default",
    "mapped",
    "prediction_columns",
    "prediction_json",
    "prefixed",
    "read_capture",
    "read_events",
    "read_written",
    "score_json",
    "single_object",
    "unframed",
]
