from pathlib import Path

import pytest

from scorer.errors import Misconfigured
from scorer.model import Golden, read_golden


def write(folder: Path, *lines: str) -> Path:
    file = folder / "golden.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_rows_are_read_in_order_and_blank_lines_skipped(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '{"event": {"id": "é", "nested": {"a": null}}, "score": 0.25, '
        '"features": {"plane": {"seats": 149, "engines": null}, "route": null}}',
        "",
        '{"event": {}, "score": [0.5, 1]}',
        "",
    )
    assert read_golden(file) == [
        Golden({"id": "é", "nested": {"a": None}}, {"plane": {"seats": 149.0, "engines": None}}, 0.25),
        Golden({}, {}, (0.5, 1.0)),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON at character 2"),
        ("[]", "found an array; expected an object"),
        ("3", "found 3"),
        ('{"event": {}, "scores": 1}', "unknown key 'scores'; did you mean 'score'?"),
        ('{"event": {}}', "has no 'score'"),
        ('{"score": 1}', "has no 'event'"),
        ('{"event": [], "score": 1}', "'event' is an array"),
        ('{"event": {}, "features": [], "score": 1}', "'features' is an array"),
        ('{"event": {}, "features": {"plane": 3}, "score": 1}', "'features.plane' is 3"),
        ('{"event": {}, "features": {"plane": {"seats": "3"}}, "score": 1}', "'features.plane.seats' is \"3\""),
        ('{"event": {}, "score": "1"}', "'score' is \"1\"; expected a number"),
        ('{"event": {}, "score": true}', "'score' is true"),
        ('{"event": {}, "score": []}', "'score' is an array"),
        ('{"event": {}, "score": null}', "'score' is null"),
        ('{"event": {}, "score": 1%s}' % ("0" * 400), "expected a number"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_an_error_names_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_golden(write(tmp_path, '{"event": {}, "score": 1}', line))
    (problem,) = caught.value.problems
    assert problem.where.endswith("golden.jsonl line 2")
    assert said in problem.what


def test_every_bad_line_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_golden(write(tmp_path, "{", "", "3"))
    assert [problem.where[-6:] for problem in caught.value.problems] == ["line 1", "line 3"]


def test_bytes_that_are_not_utf8_are_reported_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "golden.jsonl"
    file.write_bytes(b'\n{"event": {"\xff": 1}, "score": 1}\n')
    with pytest.raises(Misconfigured, match=r"line 2: .*utf-8"):
        read_golden(file)


def test_an_empty_or_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="has no rows"):
        read_golden(write(tmp_path, "", ""))
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        read_golden(tmp_path / "nowhere")
