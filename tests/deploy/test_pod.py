"""The container of deploy/kubernetes at work, in the conditions of its pod."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scorer.sandbox import Kafka, Redis
from scorer.sandbox.server import free_port
from tests.conftest import DELIVERIES
from tests.deploy.cage import Caged, cage
from tests.deploy.dockerfile import CONTEXT, Image
from tests.deploy.pod import Objects, amount
from tests.deploy.test_kubernetes import FOLDER, TOPIC_PARTITIONS
from tests.deploy.tools import kustomized

pytestmark = pytest.mark.prove
EVENTS = 3_000
PATIENCE_SECONDS = 120.0


class Cluster:
    """The servers, and the pods of an overlay."""

    def __init__(self, image: Image, overlay: str, folder: Path, stack: ExitStack) -> None:
        self.image, self.folder, self.stack = image, folder, stack
        self.objects = Objects(kustomized(FOLDER / "overlays" / overlay))
        self.kafka = stack.enter_context(Kafka(folder / "kafka"))
        self.redis = stack.enter_context(Redis(folder / "redis"))
        self.addresses = {
            "SCORER_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "SCORER_FEATURES__URL": self.redis.url,
        }
        self.ports: dict[str, int] = {}
        self.command("topics", "--create", "--partitions", str(TOPIC_PARTITIONS))

    def start(self, pod: str) -> Caged:
        """Start a pod, and wait for its startup probe and its readiness probe."""
        self.ports[pod] = free_port()  # all pods are on this machine
        environment = self.addresses | {"SCORER_HTTP__PORT": str(self.ports[pod])}
        caged = cage(self.image, self.objects, self.folder / f"{pod}-{self.ports[pod]}", pod, environment)
        self.stack.callback(caged.close)
        for probe in ("startupProbe", "readinessProbe"):
            self.await_probe(caged, pod, probe)
        return caged

    def await_probe(self, caged: Caged, pod: str, probe: str) -> None:
        """Wait until a probe of the container succeeds, for as long as a kubelet would and not less than a minute."""
        path = self.objects.container[probe]["httpGet"]["path"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.get(pod, path)[0] != 200:
            assert caged.process.poll() is None, caged.log
            assert time.monotonic() < deadline, caged.log
            time.sleep(0.1)

    def get(self, pod: str, path: str) -> tuple[int, str]:
        """Return the status and the body of a page of a pod; 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[pod]}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        except OSError:
            return 0, ""

    def partitions(self, pod: str) -> set[int]:
        """Return the partitions that a pod reads."""
        found = re.findall(r'^scorer_lag_records\{.*partition="(\d+)"', self.get(pod, "/metrics")[1], re.MULTILINE)
        return set(map(int, found))

    def command(self, name: str, *words: str) -> str:
        """Run a command of this checkout with the configuration of docker-compose.yml, which names the same topics."""
        return self._run("-m", "scorer", name, "-c", "deploy/scorer.yaml", *words)

    def produce(self, events: int) -> None:
        """Load the features and produce flights."""
        self._run("deploy/flights.py", "-c", "deploy/scorer.yaml", "--events", str(events), "--rate", "1000")

    def behind(self) -> int:
        """Return the lag of the group."""
        return sum(each["lag"] or 0 for each in json.loads(self.command("lag", "--json"))["partitions"])

    def predictions(self, events: int) -> set[str]:
        """Return the events of the first predictions."""
        said = self.command("tail", "--from", "beginning", "-n", str(events), "--json")
        return {json.loads(line)["event_id"] for line in said.splitlines()}

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=CONTEXT,
            env=os.environ | self.addresses,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def cluster(request: pytest.FixtureRequest, image: Image, tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(image, request.param, tmp_path, stack)


@pytest.mark.parametrize("cluster", DELIVERIES, indirect=True)
def test_a_replica_works_within_the_restrictions_of_its_pod(cluster: Cluster) -> None:
    replica = cluster.start("scorer-0")
    cluster.produce(EVENTS)
    assert len(cluster.predictions(EVENTS)) == EVENTS
    context, status = cluster.objects.pod["securityContext"], replica.status
    assert set(status("Uid").split() + status("Gid").split()) == {str(context["runAsUser"])}
    assert [status("NoNewPrivs"), status("Groups"), status("NSpid").split()[-1]] == ["1", "", "1"]
    assert {int(status(each), 16) for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    mounts = [line.split() for line in Path(f"/proc/{replica.pid}/mounts").read_text().splitlines()]
    writable = {where for _, where, _, options, *_ in mounts if "ro" not in options.split(",")}
    assert writable <= {"/proc", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"}
    assert "kernels" not in replica.log, "they were not loaded from the image"
    limit = amount(cluster.objects.container["resources"]["limits"]["memory"])
    assert int(status("VmHWM").split()[0]) * 1024 < limit
    assert cluster.get("scorer-0", cluster.objects.container["livenessProbe"]["httpGet"]["path"])[0] == 200
    assert replica.stop(cluster.objects.pod["terminationGracePeriodSeconds"]) == 0
    assert [json.loads(line)["event"] for line in replica.log.splitlines()][-1] == (
        "stopped: everything written is committed"
    )
    assert cluster.behind() == 0


@pytest.mark.parametrize("cluster", ["exactly-once"], indirect=True)
def test_a_rolling_update_keeps_every_partition_on_its_named_replica(cluster: Cluster) -> None:
    names = ["scorer-0", "scorer-1", "scorer-2"]
    pods = {name: cluster.start(name) for name in names}
    settled(cluster, names)
    before = {name: cluster.partitions(name) for name in names}
    for name in reversed(names):  # as a StatefulSet updates its pods
        others = {other: pods[other].log.count("partition assignment changed") for other in names if other != name}
        assert pods[name].stop() == 0
        pods[name] = cluster.start(name)
        settled(cluster, names)
        assert {each: cluster.partitions(each) for each in names} == before
        assert {other: pods[other].log.count("partition assignment changed") for other in others} == others
    cluster.produce(EVENTS)
    assert len(cluster.predictions(EVENTS)) == EVENTS


def settled(cluster: Cluster, names: list[str]) -> None:
    """Wait until the partitions are shared equally."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(len(cluster.partitions(name)) != TOPIC_PARTITIONS // len(names) for name in names):
        assert time.monotonic() < deadline, {name: cluster.partitions(name) for name in names}
        time.sleep(0.5)
