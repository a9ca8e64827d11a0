import json
from typing import Any

import numpy as np
import pytest

from scorer.model.saved import ubjson

from .boosters import KINDS, train


def plain(value: Any) -> Any:
    """With lists for arrays, and their floats as float32 has them."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | np.ndarray):
        return [plain(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float | np.floating) else value


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_in_ubjson_equals_its_json(kind: str) -> None:
    booster = train(kind)
    assert plain(ubjson.read(booster.save_raw("ubj"))) == plain(json.loads(booster.save_raw("json")))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\x00\x00\x00\x02", 2),
        (b"L" + bytes(7) + b"\x03", 3),
        (b"D\x3f\xf0" + bytes(6), 1.0),
        (b"[#L" + bytes(7) + b"\x02i\x01T", [1, True]),
        (b"{}", {}),
    ],
)
def test_each_construct_is_read(data: bytes, value: object) -> None:
    assert ubjson.read(data) == value


@pytest.mark.parametrize("length", [0, 1, 2, 7, 40, 200, 400, 800])
def test_truncated_ubjson_is_a_value_error(length: int) -> None:
    with pytest.raises(ValueError, match=r"UBJSON|buffer|utf-8"):
        ubjson.read(train("logistic").save_raw("ubj")[:length])


@pytest.mark.parametrize("data", [b"?", b"[i\x01]", b"[$?#L" + bytes(8), b"[$d#L" + b"\x7f" + bytes(7)])
def test_ubjson_that_xgboost_does_not_write_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"UBJSON|buffer|big"):
        ubjson.read(data)
