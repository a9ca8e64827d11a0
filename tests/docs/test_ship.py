"""The page on shipping a version works: its commands are run as they stand there, and print what it shows."""

from pathlib import Path

import pytest

from tests.docs.ship import PAGE, masked, play


@pytest.mark.prove  # two dozen commands, each a process of its own
def test_every_command_of_the_page_works_and_prints_what_the_page_shows(tmp_path: Path) -> None:
    places = play(PAGE.read_text(), tmp_path)
    assert len([each for each in places if each.file]) == 4
    for each in places:
        now = each.drawn() if each.file else each.said
        assert masked(each.text) == masked(now), f"python -m tests.docs.ship writes {each.file or PAGE} anew"
    canaries = int(next(each.said for each in places if "grep -c" in each.command))
    assert 10 <= canaries <= 60, "of 3,000 payments, one percent"
    assert (tmp_path / "diff.html").read_text().count("<svg") == 2


def test_numbers_and_names_may_differ_and_words_may_not() -> None:
    assert masked("1 of 3,000 by root@vm  ███ 4.5%\n") == masked("2 of 4 by me@some-host █ 0%")
    assert masked("champion 1") != masked("canary 1")
    assert masked('<svg><text x="1">a&#160;b</text></svg>') == ["a b"]
