"""docker-compose.yml, against the published specification and against what it runs."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from scorer import settings
from scorer.sandbox import Kafka, Redis
from scorer.sandbox.server import HOST, free_port
from tests.deploy.dockerfile import CONTEXT, Image, Stages

FILE = CONTEXT / "docker-compose.yml"
COMPOSE: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
EVENTS = 200
PATIENCE_SECONDS = 60.0


class ComposedRedis(Redis):
    """Redis with the flags of the file."""

    def _command(self) -> list[str]:
        program, *_ = super()._command()
        where = ["--port", str(self.port), "--dir", str(self.folder.resolve())]
        return [program, *SERVICES["redis"]["command"][1:], *where]


class World:
    """The servers of the file, on ports of this machine."""

    def __init__(self, folder: Path) -> None:
        ports = {9092: free_port(), 29092: free_port(), 9093: free_port()}
        self._here = {
            f"{host}:{port}": f"{HOST}:{mine}" for port, mine in ports.items() for host in ("kafka", "localhost", "")
        }
        properties = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): self._located(str(value))
            for name, value in SERVICES["kafka"]["environment"].items()
        }
        del properties["log.dirs"]
        self.kafka = Kafka(folder / "kafka", properties, port=ports[9092])
        self.redis = ComposedRedis(folder / "redis")
        self._here["redis:6379"] = self.redis.address

    def _located(self, text: str) -> str:
        """A text with the addresses of this machine in place of those in the file."""
        return re.sub(r"(?<!\w)(?:kafka|localhost|redis)?:\d+\b", lambda address: self._here[address[0]], text)

    def environment(self, service: str) -> dict[str, str]:
        """Settings of a service, each with its own HTTP port."""
        variables = {name: self._located(value) for name, value in SERVICES[service]["environment"].items()}
        return variables | {"SCORER_HTTP__PORT": str(free_port())}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("compose"))
    with made.kafka, made.redis:
        yield made


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration[:-1])


def test_the_file_conforms_to_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_conditions_that_services_wait_for_can_be_met() -> None:
    waits = [(name, how["condition"]) for each in SERVICES.values() for name, how in each.get("depends_on", {}).items()]
    assert waits
    for name, condition in waits:
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[name]
        else:
            assert condition == "service_completed_successfully"
            assert SERVICES[name].get("restart", "no") == "no"


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_read_only_mounts_and_least_privilege(name: str, stages: Stages) -> None:
    service = SERVICES[name]
    assert service["build"]["target"] in stages
    for volume in service["volumes"]:
        source, target, mode = volume.split(":")
        assert (CONTEXT / source).exists()
        assert target == f"/etc/scorer/{source.removeprefix('./')}"
        assert mode == "ro"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_grace_period_exceeds_the_shutdown_deadline() -> None:
    deadline = settings.load(CONTEXT / "deploy/scorer.yaml").settings.shutdown.deadline_s
    assert seconds(SERVICES["scorer"]["stop_grace_period"]) > deadline


def test_there_are_enough_partitions_for_the_documented_replicas() -> None:
    *_, partitions = SERVICES["topics"]["command"]
    scales = [int(number) for number in re.findall(r"--scale scorer=(\d+)", FILE.read_text())]
    assert int(partitions) >= max(scales)


def test_the_kafka_image_has_the_version_used_in_tests() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{Kafka.version.split()[-1]}"


def test_kafka_listens_at_the_documented_address_for_outside_clients() -> None:
    environment = SERVICES["kafka"]["environment"]
    (port,) = re.findall(r"Kafka is at (localhost:\d+)", FILE.read_text())
    assert f"OUTSIDE://{port}" in environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert SERVICES["kafka"]["healthcheck"]["test"][-1] == port
    assert SERVICES["kafka"]["ports"] == ["127.0.0.1:29092:29092"]


@pytest.mark.prove
def test_the_commands_of_the_services_run_in_their_order(world: World, image: Image, demo_image: Image) -> None:
    with redis.Redis.from_url(world.redis.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    said = image.run(*SERVICES["topics"]["command"], **world.environment("topics"))
    assert [said.count(f"created {name}") for name in ("flights", "flight-delays", "flights.dead-letters")] == [2, 1, 1]
    assert "created" not in image.run(*SERVICES["topics"]["command"], **world.environment("topics"))
    environment = world.environment("scorer")
    assert "ready to run" in image.run("check", "-c", "deploy/scorer.yaml", **environment)
    replica = image.start(*SERVICES["scorer"]["command"], **environment)
    try:
        interpreted = world.environment("flights") | {"NUMBA_DISABLE_JIT": "1"}  # its kernels would be compiled anew
        demo_image.run(*SERVICES["flights"]["command"], "--events", str(EVENTS), **interpreted)
        tail = ("tail", "-c", "deploy/scorer.yaml", "--from", "beginning", "-n", str(EVENTS), "--json")
        predictions = [json.loads(line) for line in image.run(*tail, **environment).splitlines()]
        assert_healthy(image, environment["SCORER_HTTP__PORT"])
    finally:
        replica.send_signal(signal.SIGTERM)
    _, log = replica.communicate(timeout=PATIENCE_SECONDS)
    assert replica.returncode == 0, log
    assert len({prediction["event_id"] for prediction in predictions}) == EVENTS
    assert sum(not prediction["missing"] for prediction in predictions) > EVENTS / 2
    assert [json.loads(line)["event"] for line in log.splitlines()][-1] == "stopped: everything written is committed"


def assert_healthy(image: Image, port: str) -> None:
    """By the image's own HEALTHCHECK."""
    command = image.declared["HEALTHCHECK"].split(" CMD ")[1].replace("9464", port)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while image.execute(*json.loads(command)).wait():
        assert time.monotonic() < deadline
        time.sleep(1)


@pytest.mark.prove
def test_the_documented_commands_exist(image: Image) -> None:
    named = re.findall(r"docker compose exec scorer scorer (.*?)  ", FILE.read_text())
    assert named
    for line in named:
        command, *_ = shlex.split(line)
        assert "usage" in image.run(command, "--help")
