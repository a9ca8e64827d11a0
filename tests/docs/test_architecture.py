"""The map of the architecture page is that of the files."""

import re

from scorer.cli import COMMANDS
from tests.docs import rooms
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
PACKAGE = ROOT / "scorer"
ROOMS = {str(file.parent.relative_to(PACKAGE)) for file in PACKAGE.rglob("*/__init__.py")}


def modules(room: str = "") -> set[str]:
    return {file.stem for file in (PACKAGE / room).glob("*.py")} - {"__init__", "__main__"}


def test_the_page_lists_exactly_the_existing_rooms() -> None:
    assert set(re.findall(r"^### `([\w/]+)/`", PAGE, re.MULTILINE)) == ROOMS


def test_the_map_lists_exactly_the_existing_modules() -> None:
    assert {file for line in re.findall(r"^\| (`\w+\.py`.*?) \|", PAGE, re.MULTILINE) for file in names(line)} == {
        f"{module}.py" for module in modules()
    }
    for room, text in re.findall(r"^### `([\w/]+)/`(.*?)(?=^#)", PAGE, re.MULTILINE | re.DOTALL):
        listed = [name for line in re.findall(r"^- (`.*?):", text, re.MULTILINE) for name in names(line)]
        commands = {command.replace("-", "_") for command in COMMANDS} if room == "cli" else set()
        assert sorted(listed) == sorted(modules(room) - commands), room


def test_the_journey_passes_through_existing_modules() -> None:
    journey = PAGE.split("## The journey of a batch")[1].split("\n\n")[1]
    stops = re.findall(r"^ +(\w+/[\w/]+) ", journey, re.MULTILINE)
    assert len(stops) >= 5
    assert [stop for stop in stops if not (PACKAGE / f"{stop}.py").exists()] == []


def test_the_picture_of_the_rooms_is_drawn_from_their_imports() -> None:
    assert rooms.drawn(PAGE) == PAGE, "draw it anew: .venv/bin/python -m tests.docs.rooms"


def test_the_names_under_where_to_add_things_exist() -> None:
    places = re.findall(
        r"^- \*\*(.*?)\*\*(.*?)(?=^- |\Z)", PAGE.split("## Where to add things")[1], re.MULTILINE | re.DOTALL
    )
    assert [place for place, _ in places] == [
        "A layout",
        "A framing",
        "A registry",
        "A repository",
        "A format",
        "A driver",
        "A dialect",
        "An observer",
    ]
    sources = {
        file.relative_to(ROOT): file.read_text() for top in ("scorer", "tests") for file in (ROOT / top).rglob("*.py")
    }
    for place, text in places:
        for name in names(text):
            if name.endswith(".py"):
                assert any(f"/{file}".endswith(f"/{name}") for file in sources), (place, name)
            elif re.fullmatch(r"\w+", name):
                declared = re.compile(rf"^ *(class {name}\b|def {name}\(|{name}: |{name} = )", re.MULTILINE)
                assert any(map(declared.search, sources.values())), (place, name)


def names(line: str) -> list[str]:
    return re.findall(r"`([^`]+)`", line)
