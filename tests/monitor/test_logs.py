import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
import structlog

from scorer.monitor import Outages, configure_logging
from scorer.security import redaction


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_off_a_terminal_a_log_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "auto")
    structlog.get_logger().info("joined the group", topic="flights", partitions=[0, 1])
    (line,) = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    when = datetime.fromisoformat(str(line.pop("timestamp")))
    assert when.tzinfo == UTC
    assert line == {"event": "joined the group", "level": "info", "topic": "flights", "partitions": [0, 1]}


def test_on_a_terminal_a_log_line_is_coloured_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    configure_logging("info", "auto")
    structlog.get_logger().info("joined the group", topic="flights")
    assert "joined the group" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_requested_text_has_no_colours_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    structlog.get_logger().info("joined the group", topic="flights")
    written = capsys.readouterr().err
    assert "topic=flights" in written
    assert "\x1b[" not in written


def test_control_characters_in_data_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    hostile = "\x1b[2J\x9b\u202e"
    structlog.get_logger().info(f"joined {hostile}", one=hostile, many=f"a b {hostile}", other=[hostile])
    logging.getLogger("library").warning(hostile)
    written = capsys.readouterr().err
    assert written.replace("\n", "").isprintable()
    assert written.count(r"\x1b[2J\x9b\u202e") == 5


def test_lower_levels_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "json")
    log = structlog.get_logger()
    log.info("not this")
    log.error("this")
    assert [line["event"] for line in lines(capsys)] == ["this"]


def test_the_standard_library_writes_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    logging.getLogger("some.library").warning("odd %s", "thing")
    logging.getLogger("some.library").debug("a flood")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("odd thing", "warning", "some.library")


def test_an_exception_is_logged_on_a_single_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
        logging.getLogger("some.library").exception("failed too")
    first, second = lines(capsys)
    assert "ZeroDivisionError" in str(first["exception"])
    assert "ZeroDivisionError" in str(second["exception"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_line_has_a_secret(capsys: pytest.CaptureFixture[str], form: Literal["text", "json"]) -> None:
    redaction.learn('hunter2"\u00e9', "hunter3")
    configure_logging("info", form)
    log = structlog.get_logger()
    log.warning(
        'event hunter2"\u00e9', detail='hunter2"\u00e9', each=['hunter2"\u00e9', {"a": ("hunter3", Path("hunter3"))}]
    )
    log.warning("error", error=ValueError("hunter3"), number=7, nothing=None)
    logging.getLogger("some.library").warning("at %s", "redis://me:hunter4@h")
    try:
        int("hunter3")
    except ValueError:
        log.exception("failed")
    said = capsys.readouterr().err
    assert "hunter" not in said
    assert said.count("********") == 9


def test_an_outage_is_logged_once_at_its_start_and_once_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    now = [100.0]
    outages = Outages(structlog.get_logger(), clock=lambda: now[0])
    outages.recovered("redis")
    for _ in range(1000):
        outages.unhealthy("redis", "connection refused")
        now[0] += 0.02
    outages.unhealthy("brokers", "timed out")
    outages.recovered("redis")
    outages.recovered("redis")
    for line in (found := lines(capsys)):
        del line["timestamp"]
    assert found == [
        {"event": "component unhealthy", "level": "warning", "component": "redis", "reason": "connection refused"},
        {"event": "component unhealthy", "level": "warning", "component": "brokers", "reason": "timed out"},
        {"event": "component recovered", "level": "info", "component": "redis", "lasted_s": 20.0},
    ]
