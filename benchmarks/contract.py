"""The environment variables that every measured program gets."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

PREFIX = "BENCH_"


@dataclass(frozen=True, slots=True)
class Contract:
    """The addresses and folders of a run, and the layout of the features.

    bootstrap:    `host:port` of Kafka.
    redis:        `host:port` of Redis.
    input_topic:  of the events, Avro bodies of `event.avsc`.
    output_topic: for what becomes of them.
    group:        the consumer group, new for each run; it starts at the earliest offset.
    workload_dir: folder with `event.avsc`, `score.avsc`, `model.ubj` and `features.json`.
    state_dir:    an empty folder of this run.
    layout:       hash (text fields) or packed (float32 in one string).
    """

    bootstrap: str
    redis: str
    input_topic: str
    output_topic: str
    group: str
    workload_dir: Path
    state_dir: Path
    layout: str = "hash"

    @classmethod
    def from_environment(cls) -> Self:
        """Read the contract from the environment."""
        told = {name: os.environ.get(PREFIX + name.upper()) for name in cls.__slots__}
        texts = {name: value for name, value in told.items() if value is not None}
        folders = {name: Path(texts.pop(name)) for name in ("workload_dir", "state_dir")}
        return cls(**texts, **folders)  # type: ignore[arg-type]  # texts and folders are each of their fields' type

    def environment(self) -> dict[str, str]:
        """Return the contract as environment variables."""
        return {PREFIX + name.upper(): str(value) for name, value in asdict(self).items()}
