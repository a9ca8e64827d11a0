"""Each mutant still fits the code. This check takes a second, so a refactoring need not wait for the long proofs."""

import ast
from pathlib import Path

import pytest

from tests.mutants import MUTANTS
from tests.mutants.mutant import Misfit, Mutant

ROOT = Path(__file__).parents[2]
SOURCE = '''
LIMIT = 2


class Window:
    def take(self, rows):
        """Take rows."""
        if rows and len(rows) < self.limit:  # not more
            self.count(rows); self.held.append(rows)
        return (rows
                or None)

    def drop(self, rows):
        self.count(rows)
        self.count(rows)


try:
    def take(rows):
        return rows or None
except NameError:
    def drop(rows):
        """Drop rows."""
else:
    def drop(rows):
        """Drop none."""
'''


def mutated(where: str, code: str, broken: str) -> str:
    return Mutant("too many", f"some.module:{where}", code, broken, "tests").mutate(SOURCE)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_fits_the_code_and_names_a_test(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text()
    assert mutant.mutate(source) != ast.unparse(ast.parse(source))
    file, _, test = mutant.test.partition("::")
    assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text()


def test_mutant_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize(
    ("where", "code", "broken", "then"),
    [
        ("", "LIMIT = 2", "LIMIT = 3", "LIMIT = 3"),
        ("", "2", "3", "LIMIT = 3"),
        ("Window.take", "len( rows )<self.limit", "True", "if rows and True:"),
        ("Window.take", "rows or None", "rows", "        return rows\n"),
        ("take", "rows or None", "[]", "    return []"),
        ("Window.take", "self.count(rows)", "pass", "            pass\n            self.held.append(rows)"),
        ("Window.take", "self.count(rows); self.held.append(rows)", "pass", "            pass\n        return"),
        ("Window.take", "self.count(rows)", "held = self.held; self.count(held)", "            held = self.held\n"),
    ],
)
def test_code_is_found_by_its_syntax(where: str, code: str, broken: str, then: str) -> None:
    changed = mutated(where, code, broken)
    assert then in changed
    assert len(set(changed.splitlines()) - set(ast.unparse(ast.parse(SOURCE)).splitlines())) <= 2


@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        ("Window.drop", "self.count(rows)", r"'self.count\(rows\)' stands 2 times in some.module:Window.drop"),
        ("Window.take", "rows or ()", "stands 0 times in some.module:Window.take, and must stand there once"),
        ("drop", "rows", "some/module.py has 2 definitions of 'drop' for some.module:drop"),
        ("Window.drain", "rows", "some/module.py has 0 definitions of 'drain' for some.module:Window.drain"),
    ],
)
def test_a_mutant_that_does_not_fit_the_code_is_reported(where: str, code: str, told: str) -> None:
    with pytest.raises(Misfit, match=told):
        mutated(where, code, "pass")
