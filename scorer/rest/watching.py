"""Watches the events of requests for drift. Replicas exchange their counts in a topic; a server has only its own."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from scorer.batch import Outcome, Records, Rejected
from scorer.group.alerting import alerting
from scorer.group.drifting import Drifting, rules_of
from scorer.group.telling import Teller, Telling
from scorer.kafka import MonitorListener
from scorer.monitor import DriftMetrics, Metrics
from scorer.settings import Settings

REQUESTS = "requests", 0  # in place of a topic and a partition


class RequestDrift(Drifting):
    """Counts the events of requests as if they were read from one partition, and committed at once."""

    _next = 0  # the offset of the next event

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count a batch that was answered."""
        rows, (topic, partition) = len(records), REQUESTS
        if not rows:
            return
        first, self._next = self._next, self._next + rows
        counted = replace(
            records,
            topics=(topic,),
            partition=np.full(rows, partition, np.int32),
            offset=np.arange(first, self._next),
        )
        super().written(counted, outcome, unwritable)
        self.iteration_ended(counted)
        self.confirmed({REQUESTS: self._next})


class Echo:
    """A log without a topic: each document reaches the readers at once, in the form that a topic gives it.

    Args:
        listeners: receive the documents.
    """

    def __init__(self, listeners: Sequence[MonitorListener]) -> None:
        self._listeners = listeners

    def read(self) -> None:
        """Start the readers: there are no older documents."""
        for listener in self._listeners:
            listener.began()

    def wait(self, seconds: float) -> None:
        """Sleep: no documents come from elsewhere."""
        time.sleep(seconds)

    def tell(self, name: str, document: object) -> None:
        """Pass a document to the readers."""
        kind, _, rest = name.partition("/")
        for listener in self._listeners:
            listener.heard(kind, rest, json.loads(json.dumps(document)), time.time())

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def watching(settings: Settings, model: str, metrics: Metrics, stack: ExitStack) -> RequestDrift | None:
    """Start to watch the events of requests for drift, if the settings ask for it.

    Args:
        settings: the configuration.
        model: the model's name, for alerts.
        metrics: the server's.
        stack: stops the threads.
    """
    if not settings.serve.drift:
        return None
    drifting = RequestDrift(rules_of(settings.monitor), DriftMetrics(metrics.registry))
    group = {"group": "serve", "model": model}
    alerts = stack.enter_context(alerting(settings.alerts.webhook, drifting.problems, group, metrics.registry))
    tellers: list[Teller] = [drifting, *alerts]
    listeners = [each for each in tellers if isinstance(each, MonitorListener)]
    telling = Telling(lambda: Echo(listeners), tellers)
    stack.callback(telling.close)
    telling.start()
    return drifting
