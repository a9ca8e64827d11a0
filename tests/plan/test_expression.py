"""Expressions compared with numpy's own evaluation of the same text, and the expressions that are refused."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.plan.expression import Expression

NAMES = ["a", "b", "log"]
NUMPY = {
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "floor": np.floor,
    "isnan": lambda value: np.where(np.isnan(value), 1.0, 0.0),
    "minimum": np.minimum,
    "maximum": np.maximum,
    "where": np.where,
    "clip": np.clip,
}

numbers = st.floats(0, 1e3).map(lambda value: f"number({value!r})") | st.integers(0, 9).map("number({})".format)
leaves = st.sampled_from(NAMES[:2]) | numbers


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return a strategy for one operation on smaller expressions."""
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner),
        st.builds("truth({} {} {})".format, inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner),
        st.builds("(-{})".format, inner),
        st.builds("{}({})".format, st.sampled_from(["log", "log1p", "exp", "sqrt", "abs", "floor", "isnan"]), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["minimum", "maximum"]), inner, inner),
        st.builds("{}({}, {}, {})".format, st.sampled_from(["where", "clip"]), inner, inner, inner),
    )


def evaluated(text: str, columns: NDArray[np.float64]) -> NDArray[np.float64]:
    expression, problems = Expression.parse(text, NAMES)
    assert expression is not None, problems
    with np.errstate(all="ignore"):
        return np.broadcast_to(expression.evaluate(columns), columns.shape[1:])


@given(
    st.recursive(leaves, grown, max_leaves=12),
    st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=20),
)
def test_an_expression_evaluates_as_in_numpy_for_any_batch(text: str, rows: list[tuple[float, float]]) -> None:
    columns = np.array([*zip(*rows, strict=True), [0.0] * len(rows)])
    ours = text.replace("number(", "(").replace("truth(", "(")
    names = NUMPY | {"a": columns[0], "b": columns[1], "number": np.float64}
    names["truth"] = lambda value: np.where(value, 1.0, 0.0)
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(eval(text, names), len(rows))  # noqa: S307  the oracle; the text is ours
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = evaluated(ours, columns)
    np.testing.assert_array_equal(together, expected)
    alone = [evaluated(ours, np.ascontiguousarray(columns[:, [row]]))[0] for row in range(len(rows))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2", 9.0),
        ("(a < b) + (b > a) + (a != b)", 3.0),
        ("-(a < b)", -1.0),
        ("2 ** -1 ** 2", 0.5),
        ("-a ** 2", -1.0),
        ("1 / (a - a)", np.inf),
        ("(-8) ** (1 / 3)", np.nan),
        ("log(log)", 2.0),
        ("where(isnan(a / 0 - a / 0), 7, 8)", 7.0),
        ("clip(b, 0,\n     2)", 2.0),
        ("1_000 + 0x10 + 1e1", 1026.0),
        ("3", 3.0),
        (" + ".join(["a"] * 190), 190.0),
    ],
)
def test_an_expression_has_the_expected_value(text: str, value: float) -> None:
    np.testing.assert_array_equal(evaluated(text, np.array([[1.0], [4.0], [np.e**2]])), [value])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("distnce + a", "'distnce' at character 1 is not a column above; did you mean 'distance'?"),
        ("é + nothing", "'nothing' at character 5 is not a column above"),
        ("a + later", "'later' at character 5 is a column below"),
        ("a.real", "'a.real' at character 1 is not allowed"),
        ("card.spend", "(column 'card.spend' cannot be used: its name is not letters, digits and _)"),
        ("wind speed", "(column 'wind speed' cannot be used"),
        ("np.log(a)", "is not allowed"),
        ("lg(a)", "calls an unknown function; did you mean 'log'?"),
        ("__import__('os')", "calls an unknown function"),
        ("log(a, 2)", "is not a valid call: log takes 1 positional argument"),
        ("log(x=a)", "is not a valid call"),
        ("log(*a)", "'*a' at character 5 is not allowed"),
        ("1 < a < 2", "chains comparisons"),
        ("a if a else 1", "is not allowed"),
        ("a and a", "is not allowed"),
        ("not a", "is not allowed"),
        ("+a", "is not allowed"),
        ("~a", "is not allowed"),
        ("a % 2", "is not allowed"),
        ("a // 2", "is not allowed"),
        ("a @ a", "is not allowed"),
        ("a in a", "is not allowed"),
        ("a is a", "is not allowed"),
        ("a[0]", "is not allowed"),
        ("'a'", "is not allowed"),
        ("f'{a}'", "is not allowed"),
        ("True", "is not allowed"),
        ("None", "is not allowed"),
        ("1j", "is not allowed"),
        ("...", "is not allowed"),
        ("a, a", "is not allowed"),
        ("[a]", "is not allowed"),
        ("(a := 1)", "is not allowed"),
        ("lambda: a", "is not allowed"),
        ("1e999", "is beyond float64"),
        ("1" + "0" * 400, "is beyond float64"),
        ("1" + "0" * 5000, "cannot be parsed"),
        ("", "cannot be parsed"),
        ("a +", "cannot be parsed"),
        ("a; a", "cannot be parsed"),
        ("a = 1", "cannot be parsed"),
        ("a # + 1", "contains a comment"),
        ("a \x00", "cannot be parsed"),
        ("(" * 150 + "a" + ")" * 150, None),
        ("(" * 300 + "a" + ")" * 300, "cannot be parsed"),
        ("-" * 9000 + "a", "cannot be parsed"),
        ("-" * 300 + "a", "nested more than 200 levels deep"),
        (" + ".join(["a"] * 300), "nested more than 200 levels deep"),
        ("a + " * 3000 + "a", "has 12001 characters"),
    ],
)
def test_only_valid_expressions_are_accepted(text: str, reason: str | None) -> None:
    expression, problems = Expression.parse(text, ["a", "distance", "card.spend", "wind speed", "é"], ["later"])
    if reason is None:
        assert not problems
    else:
        assert expression is None
        assert reason in problems[0]
        assert len(problems[0]) < 400


def test_all_problems_are_reported_together() -> None:
    _, problems = Expression.parse("foo(a.b) + bar + 'x'", [])
    assert [problem.split(" at ")[0] for problem in problems] == ["'foo(a.b)'", "'bar'", "''x''"]
