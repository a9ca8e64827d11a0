"""`scorer drift` on a board in memory, and on a real topic that nobody tells anything in."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scorer.cli import drift, main
from scorer.drift import BASELINES, COUNTS, Board, Limits, Rules, report
from scorer.kafka import Admin, MonitorTopic, monitor_topic
from scorer.sandbox import Kafka
from scorer.settings import Settings, load
from tests.drift.streams import baseline, rows, slice_of

ROOT = Path(__file__).parents[2]
BASE = baseline()
ENDED = 1_700_000_000.0


def board_of(*shifts: float, arms: int = 1, missing: float = 0.05) -> Board:
    board = Board(Rules(1_000, 1e9, Limits(1, 2, 3, 0.05)))
    board.heard(BASELINES, BASE.id, BASE.document(), 0.0)
    for at, shift in enumerate(shifts):
        for arm in range(arms):
            values, scores = rows(1_000 // arms, 10 * at + arm, shift=shift, missing=missing)
            name = f"{arm + 1}/{'canary' if arm else 'champion'}"
            first = at * 1_000 + arm * 1_000 // arms
            found = slice_of(BASE, values, scores, first, arm=name)
            board.heard(COUNTS, "in/0/1", found.document(), ENDED + at)
    return board


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(configured(tmp_path, "localhost:9", "monitor"), environ={}).settings


def configured(folder: Path, bootstrap: str, topic: str | None) -> Path:
    stem = f"drift-{time.time_ns()}"
    kafka: dict[str, Any] = {"bootstrap_servers": bootstrap, "group_id": stem, "input_topics": [f"{stem}.in"]}
    kafka |= {"output_topic": f"{stem}.out", "dead_letter_topic": f"{stem}.dead"}
    document = {
        "kafka": kafka,
        "events": {"schema": str(ROOT / "schemas/flight.avsc")},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": str(ROOT / "models/flight-delays")},
        "monitor": {"topic": topic},
    }
    file = folder / "scorer.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def lines(settings: Settings, board: Board, *, everything: bool = False) -> list[str]:
    document = {"model": "m", "group": "g"} | report(board)
    json.dump(document, io.StringIO(), allow_nan=False)
    return [str(each) for each in drift._lines(settings, document, everything=everything)]


def test_the_worst_column_is_first_with_what_changed(settings: Settings) -> None:
    said = lines(settings, board_of(0, 0, 0, 1, 1, 1, missing=0.3))
    assert said[0] == "group g, model m"
    assert said[1].endswith("20,000 rows, of the model")
    assert said[2].startswith("window 6: 1,000 events in 0 s until ")
    assert said[2].endswith("against baseline")
    (first, *_) = said[4:]
    assert first.startswith("amount ")
    assert "██████████" in first
    assert "missing 4.8% -> 28.1%" in first
    assert "drifts since " in first
    assert "10/50/90% -1." in first
    assert said[-1] == "1 of 6 drift: amount"


def test_without_drift_it_says_so(settings: Settings) -> None:
    said = lines(settings, board_of(0, 0, 0))
    assert said[-1] == "no column drifts"
    (constant,) = [line for line in said if line.startswith("constant")]
    assert "██" not in constant


def test_columns_below_their_limits_are_cut(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "SHOWN", 2)
    said = lines(settings, board_of(0, 0, 0))
    assert said[-2] == "and 4 more below their limits; --all shows them"
    assert len(lines(settings, board_of(0, 0, 0), everything=True)) == len(said) + 3


def test_arms_are_shown_if_there_are_several(settings: Settings) -> None:
    said = lines(settings, board_of(0, 0, 0, arms=2))
    assert [line.split(",")[0] for line in said if line.startswith("arm ")] == [
        "arm 1/champion: 500 events",
        "arm 2/canary: 500 events",
    ]
    assert not [line for line in lines(settings, board_of(0)) if line.startswith("arm ")]


def test_what_nobody_counted_is_told(settings: Settings) -> None:
    board = board_of(0, 0)
    board.heard(COUNTS, "in/0/1", slice_of(BASE, *rows(10, 1), 2_050).document(), ENDED)
    assert "2,010 events counted, 50 offsets that nobody counted: a replica was killed before it could tell" in lines(
        settings, board
    )


def test_before_the_first_window(settings: Settings) -> None:
    assert lines(settings, Board(Rules(1_000, 60, Limits(1, 1, 1, 0.0))))[-1] == (
        "no replica has told anything yet: 0 events counted"
    )
    board = board_of()
    board.heard(COUNTS, "in/0/1", slice_of(BASE, *rows(10, 1)).document(), ENDED)
    assert lines(settings, board)[-1] == "no window has ended yet: 10 events of 1,000"


def test_the_document_is_the_board(settings: Settings) -> None:
    del settings
    board = board_of(0, 0, 1, 1)
    document = json.loads(json.dumps(report(board), allow_nan=False))
    window = board.windows[-1]
    by_name = {each["name"]: each for each in document["columns"]}
    assert len(by_name) == 6
    for column in window.columns:
        shown = by_name[column.name]
        assert (shown["psi"], shown["js"], shown["missing"]) == (column.psi, column.js, column.missing)
        assert shown["history"][-1] == column.psi
        assert shown["limit"] == (column.limit if np.isfinite(column.limit) else None)
    ratios = [each["psi"] / (each["limit"] or np.inf) for each in document["columns"]]
    assert ratios == sorted(ratios, reverse=True)
    assert document["window"]["events"] == 1_000
    assert document["counted"] == {"events": 4_000, "rejected": 0, "uncounted": 0}
    assert by_name["amount"]["since"] == ENDED + 3
    assert by_name["carrier"]["quantiles"] is None
    low, middle, high = by_name["amount"]["quantiles"]
    assert low < middle < high


def test_it_needs_a_topic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "-c", str(configured(tmp_path, "localhost:9", None))]) == 2
    assert "monitor.topic: missing" in capsys.readouterr().err


def settle(reader: MonitorTopic, board: Board) -> None:
    """Wait until a window is in the topic."""
    deadline = time.monotonic() + 60
    reader.read()
    while not board.windows:
        assert time.monotonic() < deadline, board.tracks.partitions
        reader.wait(0.2)
    reader.close()


def test_a_real_topic_is_read_to_its_end_and_watched(
    tmp_path: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"drift-{time.time_ns()}.monitor"
    file = configured(tmp_path, kafka.bootstrap, topic)
    assert main(["drift", "-c", str(file)]) == 1
    assert "`scorer topics --create` creates a missing monitor.topic" in capsys.readouterr().err
    kafka_settings = load(file, environ={}).settings.kafka
    Admin(kafka_settings).create([monitor_topic(topic)])
    assert main(["drift", "-c", str(file)]) == 0
    assert "no replica has told anything yet" in capsys.readouterr().out
    writer = MonitorTopic(kafka_settings, topic, "flight-delays")

    def tell(at: int) -> None:
        found = slice_of(BASE, *rows(1_000, at), at * 1_000)
        writer.tell(f"{COUNTS}/in/0/{at}", found.document())

    writer.tell(f"{BASELINES}/{BASE.id}", BASE.document())
    tell(0)
    settle(MonitorTopic(kafka_settings, topic, "flight-delays", [board := board_of()]), board)
    shown = list[dict[str, Any]]()

    def show(_: object, document: dict[str, Any], *, everything: bool) -> None:
        assert not everything
        shown.append(document)
        if len(shown) == 2:
            raise KeyboardInterrupt
        tell(1)

    monkeypatch.setattr(drift, "_show", show)
    main(["drift", "-c", str(file), "--watch"])
    writer.close()
    assert [each["window"]["number"] for each in shown] == [1, 2]


def test_the_topic_is_created_shown_and_checked(
    tmp_path: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = f"drift-{time.time_ns()}.monitor"
    file = str(configured(tmp_path, kafka.bootstrap, topic))
    assert main(["check", "-c", file]) == 1  # the other topics are missing, too
    assert f"monitor.topic {topic} is missing, so replicas publish nothing" in " ".join(capsys.readouterr().err.split())
    assert main(["topics", "-c", file]) == 1
    assert f"missing: {', '.join(sorted_topics(file))}" in capsys.readouterr().out
    assert main(["topics", "-c", file, "--create"]) == 0
    out = capsys.readouterr().out
    assert f"created {topic}" in out
    (line,) = [line for line in out.splitlines() if line.startswith(topic)]
    assert line.split()[:3] == [topic, "monitoring", "1"]
    assert "16 days" in line
    assert main(["topics", "-c", file, "--partitions", "2"]) == 0
    assert topic not in capsys.readouterr().out.partition("fewer partitions")[2], "one partition is right"
    main(["check", "-c", file])
    assert topic not in capsys.readouterr().err


def sorted_topics(file: str) -> list[str]:
    settings = load(Path(file), environ={}).settings
    kafka = settings.kafka
    return [*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic, settings.monitor.topic or ""]
