"""The categories that XGBoost keeps in a model, against those of a plan."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from scorer.model import Booster, Given, load_booster
from scorer.model.learned.categories import unproven_order
from scorer.model.xgboost.booster import XGBooster

from .boosters import train

Values = list[str] | list[int]


def fit(values: Values, folder: Path, ending: str = "ubj", **parameters: Any) -> Booster:
    """A model of a number and of a category with these values, in this order."""
    rng = np.random.default_rng(2)
    chosen = rng.integers(0, len(values), 200)
    frame = pd.DataFrame({"amount": rng.normal(size=200), "place": pd.Categorical.from_codes(chosen, values)})
    data = xgboost.DMatrix(frame, chosen % 2, enable_categorical=True)
    booster = xgboost.train({"nthread": 1, "max_depth": 2, **parameters}, data, 2)
    file = folder / f"model.{ending}"
    booster.save_model(file)
    return load_booster(file)


def said(booster: Booster, categories: tuple[str | int, ...], *, computed: bool = False) -> str:
    given = [Given("amount", (), computed=False), Given("place", categories, computed)]
    return "\n".join(map(str, booster.category_problems(given)))


@pytest.mark.parametrize("ending", ["ubj", "json"])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize(
    "values", [["US", "FR", "DE"], ["", " x", "~"], ["101", "7", "007", "1.10"], [101, 205, 300], [-5, 0, 2**60]]
)
def test_the_models_categories_are_read_in_the_order_of_their_codes(
    values: Values, booster: str, ending: str, tmp_path: Path
) -> None:
    assert fit(values, tmp_path, ending, booster=booster).categories == ((), tuple(values))


@pytest.mark.parametrize("values", [["é", "ü"], ["aé", "日本", "x"], ["x", "", "日本"], ["straße", "strasse"]])
def test_non_ascii_names_that_xgboost_truncates_are_still_distinguished(values: list[str], tmp_path: Path) -> None:
    booster = fit(values, tmp_path)
    assert said(booster, tuple(values)) == ""
    problem = said(booster, tuple(reversed(values)))
    assert "are not those of the model: the plan has [" in problem
    assert "list them in the order of the column's `.cat.categories` in training" in problem
    problem.encode()


def test_a_model_trained_on_codes_keeps_no_categories() -> None:
    booster = XGBooster(xgboost.Booster(model_file=train("categorical").save_raw()))
    assert not any(booster.categories)
    given = [Given(name, ("b", "a"), computed=False) for name in booster.names or ()]
    assert booster.category_problems(given) == []
    assert "the order of the categories of beta, gamma" in booster.concerns(given, proven=False)[0]
    assert booster.concerns(given, proven=True) == []


def test_categories_match_as_text_or_as_numbers(tmp_path: Path) -> None:
    texts, numbers = fit(["101", "205", "300"], tmp_path), fit([101, 205, 300], tmp_path)
    for booster in (texts, numbers):
        assert said(booster, ("101", "205", "300")) == said(booster, (101, 205, 300)) == ""
        assert said(booster, (101, 300, 205))
    assert said(fit(["007", "7"], tmp_path), (7, 8))


def test_categories_in_another_order_are_refused_with_both_lists(tmp_path: Path) -> None:
    assert said(fit(["US", "FR", "DE"], tmp_path), ("DE", "FR", "US")) == (
        "plan.yaml: columns[1].categories: are not those of the model: the same ones in another order; the plan has "
        "[DE, FR, US], the model [US, FR, DE]; write categories: [US, FR, DE]"
    )


@pytest.mark.parametrize(
    "categories", [("US", "FR"), ("US", "FR", "DE", "IT"), ("FR", "DE"), ("US", "FR", "de"), ("US", "FR", "IT")]
)
def test_other_categories_are_refused_with_both_lists(categories: tuple[str, ...], tmp_path: Path) -> None:
    problem = said(fit(["US", "FR", "DE"], tmp_path), categories)
    assert f"the plan has [{', '.join(categories)}], the model [US, FR, DE]" in problem
    assert problem.endswith("write categories: [US, FR, DE]")


def test_a_long_list_is_truncated_and_the_first_difference_named(tmp_path: Path) -> None:
    known = [f"c{number}" for number in range(300)]
    wrong = tuple(known[:250] + known[251:] + ["c250"])
    problem = said(fit(known, tmp_path), wrong)
    assert "[c0, c1, c2, c3, c4, c5, c6, c7, and 292 more]" in problem
    assert "first differ at index 250: c251 for c250" in problem
    assert "in the order of `Booster.get_categories()`" in problem
    assert len(problem) < 600


def test_text_that_yaml_would_misread_is_quoted(tmp_path: Path) -> None:
    problem = said(fit(["101", "true", "it's", "a\nb", ""], tmp_path), ("x",))
    assert problem.endswith("""write categories: ['101', 'true', 'it''s', "a\\nb", '']""")
    assert "\n" not in problem


@pytest.mark.parametrize("values", [["US", "FR"], [101, 205]])
def test_an_event_column_without_categories_is_refused_if_the_model_has_them(values: Values, tmp_path: Path) -> None:
    problem = said(fit(values, tmp_path), ())
    assert "columns[1].categories: missing for column 'place', which is categorical in the model: [" in problem
    assert f"write categories: [{values[0]}, {values[1]}]" in problem


def test_a_computed_number_is_a_category_code_only_if_the_categories_are_text(tmp_path: Path) -> None:
    assert "missing for column 'place'" in said(fit([101, 205], tmp_path), (), computed=True)
    texts = fit(["US", "FR"], tmp_path)
    assert said(texts, (), computed=True) == ""
    (warning,) = texts.concerns([Given("amount", (), computed=False), Given("place", (), computed=True)], proven=True)
    assert "column 'place' has to be the code of a category, from 0 for US to 1 for FR" in warning


def test_columns_are_matched_by_name_if_the_model_has_names_else_by_position(tmp_path: Path) -> None:
    booster = fit(["US", "FR"], tmp_path)
    (problem,) = booster.category_problems([Given("place", ("FR", "US"), computed=False)])
    assert problem.where == "plan.yaml: columns[0].categories"
    booster.names = None
    (problem,) = booster.category_problems([Given("a", (), computed=False), Given("b", ("FR", "US"), computed=False)])
    assert problem.where == "plan.yaml: columns[1].categories"


def test_a_feature_that_is_numeric_in_the_model_may_have_categories(tmp_path: Path) -> None:
    booster = fit(["US", "FR"], tmp_path)
    given = [Given("amount", ("low", "high"), computed=False), Given("place", ("US", "FR"), computed=False)]
    assert booster.category_problems(given) == []
    assert booster.concerns(given, proven=False) == []
    assert unproven_order((), None, ("q", "q"), given) == ""
