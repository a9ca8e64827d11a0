"""An alert reaches the webhook once when it begins and once when it has ended, whatever happens to the replicas."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from prometheus_client import CollectorRegistry

from scorer.group import alerting
from scorer.group.alerting import Alert, Alerting, AlertMetrics, Webhook

DRIFT = Alert("column a drifts", "column a no longer drifts")


@dataclass
class Log:
    """The monitor topic: records in one order, which each replica hears when it likes."""

    records: list[tuple[str, Any]] = field(default_factory=list)

    def compacted(self) -> "Log":
        """Return the log with the last record of each name alone."""
        return Log([record for at, record in enumerate(self.records) if record[0] not in dict(self.records[at + 1 :])])


class Group:
    """Some replicas, each with its place in the log, and the webhook that they share."""

    def __init__(self, replicas: int) -> None:
        self.now, self.log, self.problems = 1_000.0, Log(), dict[str, Alert]()
        self.messages: list[Mapping[str, str]] = []
        self.dead: set[int] = set()  # they send, and note nothing
        self.places = [0] * replicas
        self.members = [self._made(number) for number in range(replicas)]

    def _made(self, number: int) -> Alerting:
        def send(message: Mapping[str, str], finished: Any) -> None:
            if number not in self.dead:
                self.messages.append(message)
                finished()

        return Alerting(lambda: self.problems, send, {"model": "m"}, f"replica-{number}", lambda: self.now)

    def hear(self, number: int) -> None:
        for name, document in self.log.records[self.places[number] :]:
            kind, _, rest = name.partition("/")
            self.members[number].heard(kind, rest, json.loads(json.dumps(document)), self.now)
        self.places[number] = len(self.log.records)

    def tell(self, number: int) -> None:
        self.log.records += self.members[number].due(self.now)

    def turn(self, *numbers: int) -> None:
        """Let each of these replicas hear what there is, then each tell: so that they claim at the same time."""
        for _ in range(4):
            self.now += 1
            for number in numbers:
                self.hear(number)
            for number in numbers:
                self.tell(number)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(message["state"], message["text"]) for message in self.messages]


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_an_alert_is_sent_once_and_resolved_once(replicas: int) -> None:
    group, everybody = Group(replicas), range(replicas)
    group.turn(*everybody)
    assert group.said == []
    group.problems = {"drift/a": DRIFT}
    group.turn(*everybody)
    group.turn(*reversed(everybody))
    assert group.said == [("firing", "m: column a drifts")]
    group.problems = {}
    group.turn(*everybody)
    group.turn(*everybody)
    assert group.said[1:] == [("resolved", "m: column a no longer drifts")]
    group.problems = {"drift/a": DRIFT}
    group.turn(*everybody)
    assert len(group.said) == 3
    assert {message["alert"] for message in group.messages} == {"drift/a"}


def test_another_replica_sends_what_the_first_one_did_not() -> None:
    group = Group(3)
    group.problems, group.dead = {"drift/a": DRIFT}, {0}
    group.turn(0)  # it has claimed the alert, and dies
    group.turn(1, 2)
    assert group.said == []
    group.now += alerting.SEND_SECONDS
    group.turn(1, 2)
    assert group.said == [("firing", "m: column a drifts")]
    group.now += alerting.SEND_SECONDS
    group.turn(1, 2)
    assert len(group.said) == 1


def test_a_replica_that_joins_says_nothing_again_even_after_compaction() -> None:
    group = Group(3)
    group.problems = {"drift/a": DRIFT}
    group.turn(0, 1)
    group.turn(0, 1)
    group.log, group.places = group.log.compacted(), [0, 0, 0]
    for number in (0, 1, 2):
        group.members[number].began()
    group.now += 10 * alerting.SEND_SECONDS
    group.turn(2)
    group.turn(0, 1, 2)
    assert len(group.said) == 1


NUMBERLESS = {"state": "firing", "text": "x", "number": 0, "by": "x"}


UNCOUNTED = {"state": "resolved", "text": "x", "number": 10**4_299 * 9, "by": "x"}  # JSON has no number after it


@pytest.mark.parametrize("document", [None, 5, {"state": "odd"}, NUMBERLESS, UNCOUNTED])
def test_records_of_another_form_are_passed_over(document: object) -> None:
    group = Group(1)
    group.log.records.append(("alert/drift/a", document))
    group.problems = {"drift/a": DRIFT}
    group.turn(0)
    assert len(group.said) == 1


class _Hook(BaseHTTPRequestHandler):
    received: ClassVar[list[Any]]
    answers: ClassVar[list[int]]
    address: ClassVar[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.received.append(json.loads(body))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.received.append("followed")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Into the void."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Hook]]:
    made: Any = type("Own", (_Hook,), {"received": [], "answers": []})

    monkeypatch.setattr(alerting, "BACKOFF_SECONDS", (0.01, 0.02))
    with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        made.address = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def sent(address: str) -> list[float | None]:
    """Send a message, and return how many were sent and given up."""
    registry, done = CollectorRegistry(), threading.Event()
    webhook = Webhook(address, AlertMetrics(registry))
    webhook.start()
    webhook.send({"text": "column a drifts", "alert": "drift/a"}, done.set)
    assert done.wait(30)
    webhook.close()
    return [registry.get_sample_value("scorer_alerts_total", {"result": each}) for each in ("sent", "failed")]


@pytest.mark.parametrize(
    ("answers", "taken"),
    [([], 1), ([503, 500], 1), ([404] * 9, 0), ([302] * 9, 0)],
    ids=["at once", "late", "no", "moved"],
)
def test_a_webhook_is_asked_again_for_a_while(hook: Any, answers: list[int], taken: int) -> None:
    hook.answers += answers
    assert sent(hook.address) == [taken, 1 - taken]
    assert hook.received == [{"text": "column a drifts", "alert": "drift/a"}] * taken


def test_a_webhook_that_is_away_is_given_up_without_its_address_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alerting, "BACKOFF_SECONDS", (0.01,))
    assert sent("http://127.0.0.1:9/services/secret-of-the-hook") == [0, 1]
    said = capsys.readouterr()
    assert "the webhook of alerts does not answer" in said.out + said.err
    assert "secret-of-the-hook" not in said.out + said.err


def test_a_stop_does_not_wait_for_a_webhook(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "BACKOFF_SECONDS", (3600.0,))
    hook.answers += [503]
    webhook, done = Webhook(hook.address, AlertMetrics(CollectorRegistry())), threading.Event()
    webhook.start()
    webhook.send({"text": "x", "alert": "a"}, done.set)
    while hook.answers:
        time.sleep(0.001)
    webhook.close()
    assert not done.is_set()
