"""A model that uses every kind of field, on disk, and what the stream makes of events for it."""

import io
import json
import math
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import redis
import xgboost
import yaml

from scorer.avro import Encoder
from scorer.batch import Records
from scorer.serving.serving import prepare
from scorer.settings import load as load_settings
from tests.files.example import KAFKA

DETAILS = {
    "type": "record",
    "name": "Details",
    "fields": [{"name": "weight", "type": ["null", "float"]}, {"name": "fragile", "type": "boolean"}],
}
SCHEMA = {
    "type": "record",
    "name": "Parcel",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "sent", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
        {"name": "amount", "type": "double"},
        {"name": "discount", "type": ["null", "double"]},
        {"name": "small", "type": "float"},
        {"name": "pieces", "type": ["int", "null"]},
        {"name": "serial", "type": "long"},
        {"name": "express", "type": "boolean"},
        {"name": "country", "type": ["null", "string"]},
        {"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "M", "L"]}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "photo", "type": ["null", "bytes"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "details", "type": ["null", DETAILS]},
    ],
}
PLAN = """
entities:
  shop: {key: "shop:{country}", layout: hash, fields: [sales, share], max_age: 3600, updated: at}
  day: {key: "day:{day|%Y%m%d}", layout: packed, fields: [rain, heat]}
columns:
  - {name: amount, event: amount}
  - {name: discount, event: discount, default: 5}
  - {name: small, event: small}
  - {name: pieces, event: pieces, default: -1}
  - {name: serial, event: serial}
  - {name: express, event: express}
  - {name: country, event: country, categories: [DE, "Åland", US]}
  - {name: size, event: size, categories: [L, M, S]}
  - {name: price, event: price}
  - {name: day, event: day}
  - {name: hour, event: clock, part: hour}
  - {name: seen, event: seen}
  - {name: weight, event: details.weight, default: 3}
  - {name: fragile, event: details.fragile}
  - {name: sales, entity: shop, field: sales, default: 7}
  - {name: share, entity: shop, field: share}
  - {name: rain, entity: day, field: rain}
  - {name: heat, entity: day, field: heat, default: 20}
  - {name: ratio, expression: "amount / (discount + 1)"}
"""
ARROW = pa.schema(
    {
        "id": pa.string(),
        "sent": pa.timestamp("us", "UTC"),
        "amount": pa.float64(),
        "discount": pa.float64(),
        "small": pa.float32(),
        "pieces": pa.int32(),
        "serial": pa.int64(),
        "express": pa.bool_(),
        "country": pa.string(),
        "size": pa.dictionary(pa.int8(), pa.string()),
        "price": pa.decimal128(9, 2),
        "day": pa.date32(),
        "clock": pa.time32("ms"),
        "seen": pa.timestamp("ms", "UTC"),
        "photo": pa.binary(),
        "tags": pa.list_(pa.string()),
        "details": pa.struct({"weight": pa.float32(), "fragile": pa.bool_()}),
    }
)


def write_example(folder: Path, redis_url: str | None, classes: int = 0, **events: object) -> Path:
    """Return the configuration of a bundle without a manifest.

    Args:
        folder: where all goes.
        redis_url: of the features; None leaves the group out.
        classes: of the model; 0 is a regression.
        events: settings of the group.
    """
    bundle = folder / "models/parcels/1"
    bundle.mkdir(parents=True)
    (bundle / "plan.yaml").write_text(PLAN)
    booster(classes).save_model(bundle / "model.ubj")
    (folder / "parcel.avsc").write_text(json.dumps(SCHEMA))
    document: dict[str, object] = {
        "kafka": KAFKA | {"input_topics": ["parcels"]},
        "events": {"schema": "parcel.avsc", "id": "id", "time": "sent"} | events,
        "model": {"path": "models/parcels"},
        "batch": {"max_records": 7},  # so that a few rows are several batches
    }
    if redis_url:
        document["features"] = {"url": redis_url, "timeout_ms": 5_000}
    file = folder / "scorer.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def booster(classes: int) -> xgboost.Booster:
    """Train on all magnitudes, so that any difference of a value is likely to be one of the score."""
    rng = np.random.default_rng(5)
    names = [column["name"] for column in yaml.safe_load(PLAN)["columns"]]
    data = rng.normal(0, 1, (3_000, len(names))) * 10 ** rng.uniform(-3, 12, (3_000, len(names)))
    data[rng.random(data.shape) < 0.2] = np.nan
    target = np.nansum(np.sign(data) * np.log1p(np.abs(data)), axis=1)
    if classes:
        target = np.digitize(target, np.quantile(target, np.linspace(0, 1, classes + 1)[1:-1]))
    settings = {"objective": "multi:softprob", "num_class": classes} if classes else {"objective": "reg:squarederror"}
    return xgboost.train(
        {**settings, "nthread": 1, "max_depth": 6}, xgboost.DMatrix(data, target, feature_names=names), 30
    )


def row(**changes: Any) -> dict[str, Any]:
    """Return an event whose features are in the store, with some of its fields changed."""
    moment = datetime(2020, 2, 29, 10, 30, tzinfo=UTC)
    plain = {"id": "p1", "sent": moment, "amount": 12.5, "discount": 0.5, "small": 0.25, "pieces": 3, "serial": 7}
    more = {"express": True, "country": "DE", "size": "M", "price": Decimal("1.25"), "day": moment.date()}
    rest = {"clock": moment.time(), "seen": moment, "photo": b"hi", "tags": ["a"]}
    return {**plain, **more, **rest, "details": {"weight": 1.5, "fragile": False}, **changes}


ODD = [
    row(id="a"),
    row(id="b", country="FR"),  # its share is infinite: rejected
    row(id="c", country=None, discount=None, pieces=None, details=None, sent=None, photo=None),
    row(id="d", country="US", size="L", express=False, price=Decimal("-7.50"), day=date(1970, 1, 1)),
    row(id="e", country="Åland", amount=-1e9, small=float("nan")),
]


class Stream:
    """A replica without its broker: from the bytes of events to those of predictions.

    Args:
        config: as for `scorer run`.
    """

    def __init__(self, config: Path) -> None:
        serving = prepare(load_settings(config, environ={}).settings)
        self._lookups = serving.lookups(cached=False)
        self._decoder, self._encoder = serving.decoder(), Encoder(b"")
        self._scorer = serving.scorer(self._lookups.fetch if self._lookups else None)

    def answers(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | str]:
        """Return predictions as fastavro reads them, and the reasons of dead letters."""
        first = np.zeros(len(events), np.int32)
        values = Records.of([_written(event) for event in events])
        records = replace(values, topics=("parcels",), topic=first, partition=first)
        outcome = self._scorer.score(self._decoder.decode(records), time.time())
        payloads = self._encoder.encode(outcome.predictions)
        answers: list[dict[str, Any] | str] = [""] * len(events)
        for each in outcome.rejected:
            answers[each.row] = each.reason.value
        ends = payloads.ends.tolist()
        for row, start, end in zip(payloads.rows.tolist(), [0, *ends], ends, strict=False):
            answers[row] = _read(payloads.data[start:end])
        return answers

    def close(self) -> None:
        """Close the connection to Redis."""
        if self._lookups:
            self._lookups.close()


def store(url: str) -> dict[str, dict[str, dict[str, float | str]]]:
    """Put features into Redis, and return the same as a mapping."""
    now = time.time()
    shops: dict[str, dict[str, float | str]] = {
        "shop:DE": {"sales": 0.1, "share": 0.3, "at": now},
        "shop:FR": {"sales": 3, "share": 1e300, "at": now},  # infinite as float32
        "shop:US": {"sales": 12.5, "share": 0.25, "at": now - 7_200},  # too old
        "shop:Åland": {"sales": "none", "share": "nan", "at": now},
    }
    days = {"day:20200229": {"rain": 0.1, "heat": math.nan}, "day:19700101": {"rain": -7.25, "heat": 1e-40}}
    with redis.Redis.from_url(url) as client:
        for key, shop in shops.items():
            client.hset(key, mapping={name: str(value) for name, value in shop.items()})
        for key, day in days.items():
            client.set(key, struct.pack("<2f", *day.values()))
    return {"shop": shops, "day": {key: dict(day) for key, day in days.items()}}


_PARSED = fastavro.parse_schema(SCHEMA)
_PREDICTION = fastavro.parse_schema(json.loads((Path(__file__).parents[2] / "schemas" / "prediction.avsc").read_text()))


def _written(event: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _PARSED, dict(event))
    return out.getvalue()


def _read(value: bytes) -> dict[str, Any]:
    prediction = fastavro.schemaless_reader(io.BytesIO(value), _PREDICTION, None)
    assert isinstance(prediction, dict)
    return prediction
