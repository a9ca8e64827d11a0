"""The HTTP pages of a real replica, and what it says at its start."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from scorer.replica.connecting import limits_of
from scorer.sandbox import Kafka, Redis
from scorer.sandbox.server import free_port
from scorer.settings import BatchSettings
from tests.delivery.world import World
from tests.forks import Command


class Page:
    """The pages of one replica."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(self._base + path, timeout=5) as answer:  # noqa: S310  http, of our replica
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, "{}"

    def failed(self) -> list[str] | None:
        """Return the failed conditions of /ready; None while nothing listens."""
        status, body = self.get("/ready")
        answer: dict[str, Any] = json.loads(body)
        assert (status == 200) == (answer.get("ready") is True)
        return answer["failed"] if status else None


@pytest.fixture
def world(kafka: Kafka, own_redis: Redis, tmp_path: Path) -> Iterator[World]:
    with World(kafka.bootstrap, own_redis.url, tmp_path) as world:
        yield world


def start(world: World, **environment: str) -> tuple[Command, Page]:
    """Start a replica and wait until it is ready; variables are `SCORER_` settings."""
    port = free_port()
    replica, page = world.start(SCORER_HTTP__PORT=str(port), **environment), Page(port)
    world.until(lambda: page.failed() == [], "readiness")
    return replica, page


def test_a_replica_scores_cached_keys_while_redis_is_unavailable(world: World, own_redis: Redis) -> None:
    replica, page = start(world, SCORER_FEATURES__CACHE__TTL_MS="3600000")
    world.send(list(range(200)))
    world.wait(200)
    own_redis.stop()
    world.send(list(range(200)))
    world.wait(400)
    hits = [line for line in page.get("/metrics")[1].splitlines() if 'result="hit"' in line and "_cache_" in line]
    assert float(hits[0].split()[-1]) > 0
    world.verify()
    assert world.stop(replica) == 0


@pytest.mark.prove
def test_an_idle_replica_notices_that_redis_died(world: World, own_redis: Redis) -> None:
    replica, page = start(world)
    own_redis.stop()
    world.until(lambda: page.failed() == ["features"], "unreadiness")
    own_redis.start()
    world.until(lambda: page.failed() == [], "readiness again")
    assert world.stop(replica) == 0
    assert world.log().count('"component": "features"') == 2  # unhealthy, recovered


@pytest.mark.prove
def test_a_replica_waiting_for_an_open_transaction_reports_it_and_stays_ready(world: World) -> None:
    replica, page = start(world)
    producer = Producer({"bootstrap.servers": world.bootstrap, "transactional.id": world.input})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(world.input, b"", partition=0)
    producer.flush()
    world.send(list(range(5)), partition=0)

    def told() -> str:
        assert page.failed() == []
        conditions: dict[str, str] = json.loads(page.get("/ready")[1])["conditions"]
        return conditions["input"]

    world.until(lambda: f"{world.input}-0 at offset 0, 6 records held back" in told(), "word of the transaction")
    assert "events wait behind an open transaction" in world.log()
    producer.abort_transaction(60)
    world.until(lambda: told() == "no events are waiting", "the end of the transaction")
    world.wait_committed()
    assert world.stop(replica) == 0
    world.verify()


@pytest.mark.parametrize(
    ("batch", "repeated"),
    [(1, 1_004), (100, 1_400), (500, 6_000), (2_000, 6_000), (8_000, 24_000), (100_000, 300_000)],
)
def test_a_crash_repeats_no_more_with_larger_batches_until_one_is_the_limit(batch: int, repeated: int) -> None:
    limits = limits_of(BatchSettings(max_records=batch))
    in_flight = min(limits.window * batch, limits.records)
    assert limits.most + in_flight == repeated
    assert repeated <= max(8 * batch, 1_000) + 4 * batch, "four batches in flight, and eight that are not committed"


def test_a_crash_repeats_at_most_six_thousand_events_by_default() -> None:
    limits = limits_of(BatchSettings())
    assert (limits.most + limits.records, limits.enough) == (6_000, 500)


def test_a_replica_warns_about_a_cache_that_others_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with subprocess.Popen(
        [sys.executable, "-m", "scorer", "run", "-c", "deploy/scorer.yaml"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder), "SCORER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"},
        stderr=subprocess.PIPE,
        text=True,
    ) as replica:
        assert replica.stderr is not None
        line = json.loads(replica.stderr.readline())
        replica.kill()
    assert line["level"] == "warning"
    assert line["event"] == "compiled kernels are not loaded from a folder that others could have written"
    assert line["reason"] == f"{folder} can be written by other users"
    assert not list(folder.rglob("*.nb?"))
