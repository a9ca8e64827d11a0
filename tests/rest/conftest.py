"""A server of parcels with every kind of field, and one of flights, each with a Redis, for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scorer.sandbox import Redis
from tests.api.example import store, write_example
from tests.docs.pages import ROOT
from tests.rest.served import Served, serving_only


@pytest.fixture(scope="session")
def parcels_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of the parcels' model, without Kafka, and with features in a Redis of its own."""
    folder = tmp_path_factory.mktemp("parcels")
    with Redis(folder / "redis") as redis:
        store(redis.url)
        yield serving_only(write_example(folder, redis.url))


@pytest.fixture(scope="session")
def parcels(parcels_config: Path) -> Iterator[Served]:
    """The server of that configuration."""
    with Served(parcels_config, parcels_config.with_name("log")) as server:
        server.until_ready()
        yield server


@pytest.fixture
def flights_config(tmp_path: Path) -> Path:
    """The configuration of the flights' model, whose features come with the events: there is no Redis."""
    document = {
        "events": {"schema": str(ROOT / "schemas/flight.avsc"), "id": "flight_id", "time": "scheduled_departure"},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": str(ROOT / "models/flight-delays")},
        "serve": {},
    }
    file = tmp_path / "scorer.yaml"
    file.write_text(yaml.safe_dump(document))
    return file
