"""Everything that the documentation names exists: pages, headings, files, tests, commands and their options."""

import argparse
import re
from importlib import import_module
from pathlib import Path

import pytest

from scorer.cli import COMMANDS
from tests.docs.pages import PAGES, ROOT, code, name, prose

LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"^((?:scorer|tests|docs|deploy|schemas|models|benchmarks|\.ci)/[\w./-]*)$")
SOURCES = "\n".join(file.read_text() for top in ("scorer", "tests") for file in sorted((ROOT / top).rglob("*.py")))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a command and its subcommands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*map(options, action.choices.values()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_have_targets(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_exist(page: Path) -> None:
    named = [match[1] for piece in code(page) if (match := FILE.match(piece))]
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_tests_and_class_members_exist(page: Path) -> None:
    for piece in code(page):
        if re.fullmatch(r"test_\w+", piece):
            assert f"def {piece}(" in SOURCES, piece
        elif match := re.fullmatch(r"([A-Z]\w+)\.([a-z]\w*)", piece):
            assert f"class {match[1]}" in SOURCES, piece
            assert re.search(rf"(?:def {match[2]}\(|^    {match[2]}\b)", SOURCES, re.MULTILINE), piece


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_commands_and_their_options_exist(page: Path) -> None:
    for piece in code(page):
        for command, rest in re.findall(r"(?:^|[ `/])scorer ([a-z][a-z-]*)([^|;&#`]*)", piece):
            if piece.startswith(("docker", "pip")):
                continue
            assert command in COMMANDS, piece
            parser = argparse.ArgumentParser()
            import_module(f"scorer.cli.{command.replace('-', '_')}").arguments(parser)
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest)) <= options(parser), piece


def test_the_guarantees_name_their_tests() -> None:
    assert len([piece for piece in code(ROOT / "docs/guarantees.md") if piece.startswith("test_")]) > 10
