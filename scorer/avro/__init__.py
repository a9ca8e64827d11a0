"""Avro: schemas, decoding into columns, encoding predictions, and events as plain JSON."""

from scorer.avro.capture import CAPTURE_TEXT, Captured, CapturedRow, read_capture
from scorer.avro.decimals import MOST_DIGITS
from scorer.avro.decoder import Decoder
from scorer.avro.encoder import PREDICTION, PREDICTION_TEXT, Encoder
from scorer.avro.files import read_events
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
from scorer.avro.jsonl import BadEvent, Converter
from scorer.avro.mapping import Mapped, has_default, mapped
from scorer.avro.prediction_file import PredictionFile
from scorer.avro.prediction_json import prediction_columns, prediction_json, score_json
from scorer.avro.reread import Reread
from scorer.avro.salvage import Salvage
from scorer.avro.schema import Schema
from scorer.avro.wanted import Wanted

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
