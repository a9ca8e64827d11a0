"""What people write first: one event at a time. A crash loses no events, but refused writes do."""

import io
import json
import time
from typing import Any

import fastavro
import numpy as np
import redis
import xgboost
from confluent_kafka import Consumer, KafkaException, Producer

from benchmarks.contract import Contract

COMMIT_EVERY = 100


class Scorer:
    """An Avro event in, an Avro score out."""

    def __init__(self, contract: Contract) -> None:
        folder = contract.workload_dir
        self._features = json.loads((folder / "features.json").read_text())
        self._event_schema = fastavro.parse_schema(json.loads((folder / "event.avsc").read_text()))
        self._score_schema = fastavro.parse_schema(json.loads((folder / "score.avsc").read_text()))
        self._booster = xgboost.Booster(model_file=folder / "model.ubj")
        self._booster.set_param({"nthread": 1})
        self._redis = redis.Redis.from_url(f"redis://{contract.redis}")

    def score(self, value: bytes) -> tuple[bytes, bytes]:
        """Return the key and the encoded score of an event."""
        event: Any = fastavro.schemaless_reader(io.BytesIO(value), self._event_schema, None)
        found = {
            each["name"]: self._redis.hgetall(each["key"].format_map(event)) for each in self._features["entities"]
        }
        row = []
        for column in self._features["columns"]:
            if "event" in column:
                cell = event[column["event"]]
            else:
                cell = found[column["entity"]].get(column["field"].encode())
            row.append(np.nan if cell is None else float(cell))
        matrix = xgboost.DMatrix(np.array([row], np.float32), nthread=1)
        record = {
            "event_id": event["event_id"],
            "score": float(self._booster.predict(matrix)[0]),
            "model_version": self._features["model_version"],
            "entities_missing": sum(not fields for fields in found.values()),
            "scored_at": int(time.time() * 1000),
        }
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self._score_schema, record)
        return event["event_id"].encode(), body.getvalue()


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
    pending = 0
    while True:
        message = consumer.poll(1.0)
        if message is not None:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            key, value = scorer.score(message.value() or b"")
            producer.produce(contract.output_topic, value, key)
            producer.poll(0)
            pending += 1
        if pending == COMMIT_EVERY or (message is None and pending):
            producer.flush()
            consumer.commit(asynchronous=False)
            pending = 0


if __name__ == "__main__":
    main(Contract.from_environment())
