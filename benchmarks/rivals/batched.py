"""What a good engineer writes in an afternoon: micro-batches with one round trip and one prediction each.

Its writes are flushed and their delivery reports checked before the offsets are committed, so it loses nothing.
"""

import io
import json
import time
from collections.abc import Sequence
from typing import Any

import fastavro
import numpy as np
import redis
import xgboost
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from numpy.typing import NDArray

from benchmarks.contract import Contract

BATCH = 500
LINGER_SECONDS = 0.02

Event = dict[str, Any]


class Scorer:
    """Avro events in, Avro scores out."""

    def __init__(self, contract: Contract) -> None:
        folder = contract.workload_dir
        features = json.loads((folder / "features.json").read_text())
        self._event_schema = fastavro.parse_schema(json.loads((folder / "event.avsc").read_text()))
        self._score_schema = fastavro.parse_schema(json.loads((folder / "score.avsc").read_text()))
        self._booster = xgboost.Booster(model_file=folder / "model.ubj")
        self._booster.set_param({"nthread": 1})
        self._redis = redis.Redis.from_url(f"redis://{contract.redis}")
        self._version = features["model_version"]
        self._event_columns = [column["event"] for column in features["columns"] if "event" in column]
        packed = contract.layout == "packed"
        prefix = features["packed_prefix"] if packed else ""
        self._entities = [((prefix + each["key"]).format_map, each["fields"]) for each in features["entities"]]
        self._look_up = self._packed if packed else self._hashes

    def score(self, values: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the key and the encoded score of each event."""
        events = [self._decode(value) for value in values]
        features, missing = self._look_up(events)
        own = np.array([[event[name] for name in self._event_columns] for event in events], np.float32)
        scores = self._booster.inplace_predict(np.hstack([own, features])).tolist()
        now = int(time.time() * 1000)
        return [self._encode(*each, now) for each in zip(events, scores, missing, strict=True)]

    def _decode(self, value: bytes) -> Event:
        event: Any = fastavro.schemaless_reader(io.BytesIO(value), self._event_schema, None)
        return event  # type: ignore[no-any-return]  # the schema is a record

    def _hashes(self, events: Sequence[Event]) -> tuple[NDArray[np.float32], list[int]]:
        """Return the features [events, fields] and how many entities each event lacks; a hash holds text."""
        pipe = self._redis.pipeline(transaction=False)
        for event in events:
            for key, fields in self._entities:
                pipe.hmget(key(event), fields)
        replies = pipe.execute()
        width, rows, missing = len(self._entities), [], []
        for number in range(len(events)):
            found = replies[number * width : (number + 1) * width]
            rows.append([value for reply in found for value in reply])
            missing.append(sum(not any(reply) for reply in found))
        return np.array(rows, np.float32), missing

    def _packed(self, events: Sequence[Event]) -> tuple[NDArray[np.float32], list[int]]:
        """Return the same from packed values, asked for at once."""
        absent = [np.full(len(fields), np.nan, "<f4").tobytes() for _, fields in self._entities]
        replies: list[Any] = self._redis.mget([key(event) for event in events for key, _ in self._entities])
        blob = b"".join([reply or absent[at % len(absent)] for at, reply in enumerate(replies)])
        missing = np.array([reply is None for reply in replies]).reshape(len(events), -1).sum(1)
        return np.frombuffer(blob, "<f4").reshape(len(events), -1), missing.tolist()

    def _encode(self, event: Event, score: float, missing: int, now: int) -> tuple[bytes, bytes]:
        body = io.BytesIO()
        record = {
            "event_id": event["event_id"],
            "score": score,
            "model_version": self._version,
            "entities_missing": missing,
            "scored_at": now,
        }
        fastavro.schemaless_writer(body, self._score_schema, record)
        return event["event_id"].encode(), body.getvalue()


def raise_if_undelivered(error: KafkaError | None, _: Message) -> None:
    """Stop before the commit: `flush()` alone does not say what was delivered."""
    if error is not None:
        raise KafkaException(error)


def main(contract: Contract) -> None:
    """Score for ever."""
    scorer = Scorer(contract)
    consumer = Consumer(
        {
            "bootstrap.servers": contract.bootstrap,
            "group.id": contract.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([contract.input_topic])
    producer = Producer({"bootstrap.servers": contract.bootstrap})
    while True:
        messages = consumer.consume(BATCH, LINGER_SECONDS)
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
        if messages:
            for key, value in scorer.score([message.value() or b"" for message in messages]):
                producer.produce(contract.output_topic, value, key, on_delivery=raise_if_undelivered)
            producer.flush()
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(Contract.from_environment())
