"""Thresholds, splits and sample events place a column only if nothing else explains them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import xgboost

from scorer.init import formulas, orders, packed
from scorer.model.xgboost.booster import XGBooster

ROWS = 4_000
Values = Any


def thresholds(values: Values) -> list[float]:
    """Return thresholds as a model of histograms has them: values of training."""
    return list(np.unique(np.quantile(values, np.linspace(0.02, 0.98, 60), method="nearest")))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_packed_numbers_are_told_in_the_order_in_which_they_are_stored(rng: np.random.Generator) -> None:
    heat, wet = rng.normal(60, 15, ROWS).round(2), rng.uniform(10, 90, ROWS).round(3)
    splits = {"heat": thresholds(heat), "wet": thresholds(wet), "other": [0.25, 7.125]}
    order = packed.told(splits, np.column_stack([wet, heat]))
    assert order is not None
    assert order.columns == ("wet", "heat")


@pytest.mark.parametrize("case", ["a number of no column", "two columns of one number", "whole numbers", "alike"])
def test_packed_numbers_are_open_if(case: str, rng: np.random.Generator) -> None:
    heat, wet = rng.normal(60, 15, ROWS).round(2), rng.uniform(10, 90, ROWS).round(3)
    splits = {"heat": thresholds(heat), "wet": thresholds(wet)}
    stored = np.column_stack([heat, wet])
    if case == "a number of no column":
        stored = np.column_stack([heat, wet, rng.normal(size=ROWS)])
    elif case == "two columns of one number":
        splits["wet"] = splits["heat"][::2]
    elif case == "whole numbers":  # every column of small numbers has such thresholds
        splits = {"one": list(range(1, 40)), "two": list(range(60, 90))}
        stored = np.column_stack([rng.integers(0, 50, ROWS), rng.integers(51, 100, ROWS)])
    else:  # but for two values at the end, which may be chance
        usual = splits["heat"]
        splits = {"one": usual, "two": [*usual[:-2], 1_000.25, 1_001.75]}
        stored = np.column_stack([heat, np.where(heat < usual[-2], heat, rng.choice([1_000.25, 1_001.75], ROWS))])
    assert packed.told(splits, stored) is None


def formula(column: Values, operands: dict[str, Values]) -> str:
    said = formulas.telling(thresholds(column.astype(np.float32)))
    return formulas.best(said, list(formulas._formulas(operands)))[0]


def test_a_formula_is_found_by_its_values(rng: np.random.Generator) -> None:
    miles, minutes = rng.integers(90, 2_500, ROWS), rng.integers(31, 400, ROWS)
    operands = {"miles": miles[:3000], "minutes": minutes[:3000], "seats": rng.integers(2, 400, 3000)}
    assert formula(60 * miles / minutes, operands) == "60 * miles / minutes"
    assert formula(miles / (1 + minutes), operands) == "miles / (1 + minutes)"


@pytest.mark.parametrize("case", ["whole numbers", "simple fractions", "twins", "another column"])
def test_a_formula_is_open_if(case: str, rng: np.random.Generator) -> None:
    miles, minutes = rng.integers(90, 2_500, ROWS), rng.integers(31, 400, ROWS)
    operands: dict[str, Values] = {"miles": miles, "minutes": minutes}
    column: Values = miles / minutes
    if case == "whole numbers":
        operands = {"stock": rng.integers(0, 50, ROWS), "sold": rng.integers(100, 300, ROWS)}
        column = rng.integers(-300, -100, ROWS)
    elif case == "simple fractions":
        operands["share"] = rng.integers(1, 12, ROWS)
        column = operands["share"] / rng.integers(1, 12, ROWS)
    elif case == "twins":  # equal in every sample event, and maybe not in others
        operands["minutes_late"] = minutes
    else:
        column = miles / rng.integers(31, 400, ROWS)[rng.permutation(ROWS)] * rng.normal(size=ROWS)
    assert formula(column, operands) == ""


TEXTS = ["apple", "beet", "corn", "dill", "fig"]


def ordered(
    codes_of: Sequence[str],
    seen: Sequence[str],
    symbols: Sequence[str] = (),
    kind: str = "c",
    renamed: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Train on texts with codes in an order; return what sample events with the texts of `seen` tell of it."""
    rng = np.random.default_rng(3)
    shares = np.array([0.35, 0.05, 0.25, 0.1, 0.25])[: len(codes_of)]
    texts = rng.choice(sorted(codes_of), ROWS, p=shares / shares.sum())
    codes = np.array([list(codes_of).index(text) for text in texts])
    size = rng.normal(size=ROWS)
    label = np.isin(texts, ["beet", "corn"]) + 0.5 * np.isin(texts, ["fig"]) + size + rng.normal(0, 0.3, ROWS)
    data = xgboost.DMatrix(np.column_stack([codes, size]), label, feature_types=[kind, "q"], enable_categorical=True)
    booster = XGBooster(xgboost.train({"max_depth": 5, "nthread": 1, "eta": 0.1}, data, 40))
    here = np.isin(texts, seen)
    now = [(renamed or {}).get(text, text) for text in texts[here]]
    listed = sorted(set(now))
    places = np.array([float(listed.index(text)) for text in now])
    splits = orders._seen(0, booster.divisions(), [None, size[here]], places, len(listed))
    return orders.certain(listed, symbols, splits)


def test_the_order_of_training_is_told() -> None:
    assert ordered(TEXTS, TEXTS) == tuple(TEXTS)
    symbols = ["fig", "corn", "apple", "dill", "beet"]
    assert ordered(symbols, TEXTS, symbols) == tuple(symbols)
    assert ordered(TEXTS[:3], TEXTS[:3], kind="q") == tuple(TEXTS[:3])


@pytest.mark.parametrize("kind", ["c", "q"])
def test_an_order_that_is_not_usual_is_open(kind: str) -> None:
    assert ordered(["apple", "corn", "fig", "dill", "beet"], TEXTS, kind=kind) == ()
    assert (
        ordered(["corn", "apple", "beet", "dill", "fig"], TEXTS, ["fig", "corn", "apple", "dill", "beet"], kind) == ()
    )


@pytest.mark.parametrize("kind", ["c", "q"])
def test_the_order_is_open_if_one_text_is_gone_and_another_is_new(kind: str) -> None:
    """The rest would have wrong codes between the two."""
    assert ordered(TEXTS, TEXTS, kind=kind, renamed={"corn": "elder"}) == ()


@pytest.mark.parametrize("missing", TEXTS)
def test_the_order_is_open_if_sample_events_lack_a_category(missing: str) -> None:
    assert ordered(TEXTS, [text for text in TEXTS if text != missing]) == ()


def test_texts_that_no_split_tells_apart_leave_the_order_open() -> None:
    counts = np.array([500, 1_100, 100, 900, 300, 1_500, 700, 2_000])

    def seen(*rights: set[int]) -> list[orders._Seen]:
        shares = [counts[list(codes)].sum() / counts.sum() for codes in rights]
        return [orders._Seen(frozenset(codes), share, counts, 7) for codes, share in zip(rights, shares, strict=True)]

    texts = list("abcdefgh")
    alike = seen({2, 3}, {4}, {5, 6}, {2, 7}, {3, 5}, {6}, {4, 7}, {2, 6}, {3}, {7})
    assert orders.certain(texts, (), alike) == ()
    told = [*alike, *seen({0}, {0, 3}, {0, 5}, {0, 2, 6}, {2, 5}, {4, 5}, {3, 4}, {4, 6})] * 2
    assert orders.certain(texts, (), told) == tuple(texts)
