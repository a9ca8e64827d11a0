"""Structured logs on stderr: text for people, JSON lines for machines."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Literal

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from scorer.security.printable import printable
from scorer.security.redaction import redact

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json"]

_PROSE = frozenset({"event", "exception", "stack"})
_QUOTED = frozenset(" \t=\r\n\"'")  # a text with one of these is quoted and escaped by structlog


def configure(level: Level = "info", format: Format = "auto") -> None:  # noqa: A002  the setting's name
    """Send structlog and the standard library's logging to stderr.

    Args:
        level: the lowest level that is written. Libraries log at info or above: numba's debug output is a flood.
        format: `text`, `json` (one object a line: timestamp, level, event, keys), or `auto`: text on a terminal.
    """
    log_to_stderr(level, format)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_shared(), structlog.stdlib.add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *_written(format)],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(_number(level), logging.INFO), force=True)
    logging.captureWarnings(capture=True)


def log_to_stderr(level: Level, format: Format) -> None:  # noqa: A002  the setting's name
    """Send structlog alone to stderr, and leave the logging of the program around it as it is."""
    structlog.configure(
        processors=[*_shared(), *_written(format)],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _written(format: Format) -> list[Processor]:  # noqa: A002  the setting's name
    terminal = sys.stderr.isatty()
    text = format == "text" or (format == "auto" and terminal)
    return _text(colors=terminal and "NO_COLOR" not in os.environ) if text else _json()


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _text(*, colors: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
    return [structlog.processors.format_exc_info, _redacted, _escaped, renderer]


def _escaped(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape control characters in data, which a terminal that shows the log would obey.

    A value of several words is left to the renderer, which escapes it as Python's `repr` does.
    """
    plain = {
        key: printable(value, keep="\n\t")
        for key, value in event.items()
        if isinstance(value, str) and (key in _PROSE or not _QUOTED.intersection(value))
    }
    return {**event, **plain}


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, _redacted, _ordered, structlog.processors.JSONRenderer(default=str)]


def _redacted(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace the secrets in a line. Its time and level need no check: they are our own."""
    return {key: value if key in {"timestamp", "level"} else _shown(value) for key, value in event.items()}


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(item) for item in value]
    return redact(str(value))


def _ordered(_logger: object, _method: str, event: EventDict) -> EventDict:
    first = ("timestamp", "level", "event")
    return {**{key: event.pop(key) for key in first}, **event}


class Outages:
    """Logs an outage once when it begins and once when it ends, however often it is reported in between.

    Args:
        log: the logger to write to.
        clock: seconds, monotonic.
    """

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._since: dict[str, float] = {}

    def unhealthy(self, component: str, reason: str) -> None:
        """Log that a component became unhealthy, unless that was logged already."""
        if component not in self._since:
            self._since[component] = self._clock()
            self._log.warning("component unhealthy", component=component, reason=reason)

    def recovered(self, component: str) -> None:
        """Log that a component recovered, and after how long; log nothing if it was not unhealthy."""
        since = self._since.pop(component, None)
        if since is not None:
            lasted_s = round(self._clock() - since, 1)
            self._log.info("component recovered", component=component, lasted_s=lasted_s)
