"""Answers of models of other formats: their scores may be float64, and the protocol says so."""

from types import SimpleNamespace
from typing import Any

import pytest

from scorer.rest.dialects import oip
from scorer.rest.exchange import Scored
from scorer.rest.messages import decoded
from tests.model import lightgbms
from tests.model.boosters import loaded as of_xgboost


@pytest.mark.parametrize(("formats", "datatype"), [("x", "FP32"), ("l", "FP64"), ("xl", "FP64")])
def test_the_open_inference_protocol_names_the_type_of_the_scores(formats: str, datatype: str) -> None:
    kinds = {"x": of_xgboost("logistic"), "l": lightgbms.loaded(lightgbms.train("binary"))}
    site: Any = SimpleNamespace(boosters=[kinds[each] for each in formats])
    assert oip._datatype(site) == datatype
    scored = Scored("m", "1", [{"score": 0.1}], {})
    (output,) = decoded(oip._write(None, oip._datatype(site), scored, binary=False).body)["outputs"]
    assert (output["datatype"], output["data"]) == (datatype, [0.1])
