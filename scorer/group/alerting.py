"""Sends alerts about the group to a webhook: one message when a problem begins, and one when it has ended.

Every replica sees every problem, since all read the same log. They use that log to agree on a sender: the first replica
that claims an alert there sends it. If it dies before it has recorded that the alert was sent, another one claims it.
"""

import json
import queue
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.request import Request, build_opener

import structlog
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorer.background import Background
from scorer.group.telling import MonitorRecord
from scorer.security.redaction import foreign
from scorer.security.redirects import NoRedirect

ALERT = "alert"  # the kind of the records
State = Literal["firing", "resolved"]
CLAIM_SECONDS = 5.0  # after which a claim that has not come back from the log is written again
MOST_CLAIMS = 2**53  # claims with a larger number are ignored: no replica counts that far
SEND_SECONDS = 60.0  # the time that a replica has to send an alert that it claimed, before another one claims it
ANSWER_SECONDS = 5.0  # timeout of one request to the webhook
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0)  # between attempts; after the last one the alert is dropped
JOIN_SECONDS = 2.0

Text = Annotated[str, Field(max_length=10_000)]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem of the group, in the words of its two messages.

    text:     the sentence when it begins.
    resolved: the sentence when it has ended.
    """

    text: str
    resolved: str


class Entry(BaseModel):
    """A claim of an alert in the log.

    state:    firing or resolved.
    text:     the text of the message.
    number:   the number of the claim, from 1; of several with the same number, the first one in the log wins.
    by:       the replica that sends the message.
    finished: whether the message was sent or dropped.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    state: State
    text: Text
    number: Annotated[int, Field(ge=1)]
    by: Text
    finished: bool = False


class AlertMetrics:
    """The metric of messages that this replica sends to the webhook."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter("scorer_alerts", "Messages to the webhook, by result", ["result"], registry=registry)
        for result in ("sent", "failed"):
            self.messages.labels(result)


class Webhook(Background):
    """Sends messages one at a time, on its own thread.

    Args:
        address: the URL that receives each message as JSON, in a POST.
        metrics: count the messages.
    """

    def __init__(self, address: str, metrics: AlertMetrics) -> None:
        self._address, self._metrics = address, metrics
        self._waiting: queue.SimpleQueue[tuple[Mapping[str, str], Callable[[], None]] | None] = queue.SimpleQueue()
        super().__init__("webhook", JOIN_SECONDS)
        self._opener = build_opener(NoRedirect)

    def send(self, message: Mapping[str, str], finished: Callable[[], None]) -> None:
        """Queue a message.

        Args:
            message: its fields.
            finished: called on the webhook's thread once the message was sent or dropped.
        """
        self._waiting.put((message, finished))

    def close(self) -> None:
        """Stop; the other replicas send the messages that are still queued."""
        self._stopping.set()
        self._waiting.put(None)
        super().close()

    def _run(self) -> None:
        while (each := self._waiting.get()) is not None:
            message, finished = each
            self._deliver(message)
            if self._stopping.is_set():
                return
            finished()

    def _deliver(self, message: Mapping[str, str]) -> None:
        """Send a message, with retries and backoff, unless the replica stops."""
        reason = ""
        for pause in (*BACKOFF_SECONDS, None):
            try:
                self._post(message)
            except (OSError, ValueError) as error:  # urllib's errors are OSErrors
                reason = foreign(str(getattr(error, "reason", error)) or type(error).__name__)
            else:
                self._metrics.messages.labels("sent").inc()
                return
            if pause is None or self._stopping.wait(pause):
                break
        if not self._stopping.is_set():
            self._metrics.messages.labels("failed").inc()
            log.warning("the webhook of alerts does not answer", reason=reason, alert=message["alert"])

    def _post(self, message: Mapping[str, str]) -> None:
        body, headers = json.dumps(message).encode(), {"Content-Type": "application/json", "User-Agent": "scorer"}
        request = Request(self._address, body, headers, method="POST")  # noqa: S310  settings allow http and https
        with self._opener.open(request, timeout=ANSWER_SECONDS) as response:
            response.read(1)


class Alerting:
    """Agrees with the other replicas, in the monitor topic, on which of them sends each alert, and sends its own.

    Args:
        problems: returns the current problems by their stable names; it depends on the log alone.
        send: sends a message; see `Webhook.send`.
        group: the group and the model, for the messages.
        replica: the unique name of this replica.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        problems: Callable[[], Mapping[str, Alert]],
        send: Callable[[Mapping[str, str], Callable[[], None]], None],
        group: Mapping[str, str],
        replica: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._problems, self._send, self._group, self._replica, self._clock = problems, send, group, replica, clock
        self._entries: dict[str, tuple[Entry, float]] = {}  # by alert: the claim, and the time of its record
        self._claimed: dict[str, float] = {}  # by alert: when this replica wrote a claim, monotonic seconds
        self._known: dict[str, Alert] = {}  # the last text of each, for the message that it has ended
        self._sending: dict[str, int] = {}  # by alert: the number of the claim that this replica is sending
        self._finished: queue.SimpleQueue[tuple[str, Entry]] = queue.SimpleQueue()
        self._again: set[str] = set()  # alerts of this replica whose record a losing claim has replaced

    def began(self) -> None:
        """Forget all claims: the log is read from its first record."""
        self._entries.clear()

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record. Of several claims with the same number, the first one wins."""
        if kind != ALERT:
            return
        try:
            entry = Entry.model_validate(document)
        except ValidationError:  # deleted, or of another version
            return
        if entry.number > MOST_CLAIMS:
            return
        before = self._entries.get(name)
        if before is None or entry.number > before[0].number or entry.by == before[0].by:
            self._entries[name] = entry, seconds
            self._claimed.pop(name, None)
        elif before[0].by == self._replica:
            self._again.add(name)  # compaction would keep the other claim

    def due(self, now: float) -> Iterator[MonitorRecord]:
        """Yield this replica's new claims, and the claims whose messages it has sent; send those that it has won."""
        while not self._finished.empty():
            name, entry = self._finished.get()
            yield f"{ALERT}/{name}", entry.model_dump()
        problems = self._problems()
        self._known |= problems
        for name in problems.keys() | self._entries.keys():
            self._send_if_mine(name)
            if (claim := self._claim(name, problems.get(name))) and now - self._claimed.get(name, -1e9) > CLAIM_SECONDS:
                self._claimed[name] = now
                yield f"{ALERT}/{name}", claim.model_dump()
        for name in self._again:
            yield f"{ALERT}/{name}", self._entries[name][0].model_dump()
        self._again.clear()

    def last(self) -> Iterable[MonitorRecord]:
        """Return nothing: the other replicas take over unfinished alerts."""
        return ()

    def _claim(self, name: str, problem: Alert | None) -> Entry | None:
        """Return the claim to write for an alert; None if no claim is needed."""
        entry, seconds = self._entries.get(name, (None, 0.0))
        state: State = "firing" if problem else "resolved"
        number = entry.number + 1 if entry else 1
        if entry is None or entry.state != state:
            if entry is None and problem is None:
                return None
            known = problem or self._known.get(name)
            text = (known.text if problem else known.resolved) if known else f"{name} has ended"
            return Entry(state=state, text=text, number=number, by=self._replica)
        if not entry.finished and entry.by != self._replica and self._clock() - seconds > SEND_SECONDS:
            return Entry(state=state, text=entry.text, number=number, by=self._replica)
        return None

    def _send_if_mine(self, name: str) -> None:
        entry, _ = self._entries.get(name, (None, 0.0))
        if entry is None or entry.finished or entry.by != self._replica or self._sending.get(name) == entry.number:
            return
        self._sending[name] = entry.number
        done = entry.model_copy(update={"finished": True})
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        text = f"{self._group['model']}: {entry.text}"
        message = {"text": text, "alert": name, "state": entry.state, "time": moment, **self._group}
        self._send(message, lambda: self._finished.put((name, done)))


@contextmanager
def alerting(
    address: str | None,
    problems: Callable[[], Mapping[str, Alert]],
    group: Mapping[str, str],
    registry: CollectorRegistry,
) -> Iterator[list[Alerting]]:
    """Run the webhook's thread until the block ends; yield a list with its `Alerting`, empty without a webhook.

    Args:
        address: the URL of the webhook; None without one.
        problems: see `Alerting`.
        group: see `Alerting`.
        registry: the metrics registry of this process.
    """
    if address is None:
        yield []
        return
    with closing(Webhook(address, AlertMetrics(registry))) as webhook:
        webhook.start()
        yield [Alerting(problems, webhook.send, group, uuid.uuid4().hex)]
