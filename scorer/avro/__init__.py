"""Avro: schemas, decoding into columns, encoding predictions, and events as plain JSON."""

from scorer.avro.decimals import MOST_DIGITS
from scorer.avro.decoder import Decoder
from scorer.avro.encoder import PREDICTION, Encoder
from scorer.avro.files import read_events
from scorer.avro.framing import frame
from scorer.avro.jsonl import BadEvent, Converter
from scorer.avro.prediction_json import prediction_json
from scorer.avro.salvage import Salvage
from scorer.avro.schema import Schema

__all__ = [
    "MOST_DIGITS",
    "PREDICTION",
    "BadEvent",
    "Converter",
    "Decoder",
    "Encoder",
    "Salvage",
    "Schema",
    "frame",
    "prediction_json",
    "read_events",
]
