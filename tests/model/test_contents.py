"""Files that are given for a model and are none: what they are, and what to do, without loading them."""

import gzip
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from scorer.errors import Misconfigured
from scorer.model import load_booster
from scorer.model.saved.contents import mistaken, recognise

from .boosters import train

SAVE = "booster.save_model('model.ubj')"
OLD = b"binf\0\0\0?\x04\0\0\0" + bytes(100)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


@pytest.mark.parametrize("ending", [".ubj", ".json", ".model", ".bin", ".pkl", ""])
@pytest.mark.parametrize(
    ("content", "what", "todo"),
    [
        (b"", "it is empty", SAVE),
        (OLD, "XGBoost's old binary format, which XGBoost 3.1 and later cannot read", "pip install 'xgboost<3.1'"),
        (b"bs64\tYmluZg==", "XGBoost's old binary format", SAVE),
        (pickle.dumps(Bomb()), "it is a pickle, which is never loaded", SAVE),
        (pickle.dumps(Bomb(), 2), "it is a pickle", SAVE),
        (pickle.dumps(Bomb(), 0), "it is a pickle", SAVE),
        (b"booster[0]:\n0:[alpha<0.5] yes=1,no=2,missing=2\n", "it is the output of `dump_model`", SAVE),
        (b'[\n  { "nodeid": 0, "depth": 0', "it is the output of `dump_model`", SAVE),
        (gzip.compress(b"{}", mtime=0), "it is compressed (gzip)", "decompress it"),
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page", "download the file itself"),
        (b"\n<html lang=en>", "a web page", "download the file itself"),
        (b'{"name": "tree", "tree_info": [{"tree_structure": {}}]}', "LightGBM's `dump_model`", "'model.txt'"),
        (b"CBM1" + bytes(20), "a model of CatBoost", "a model of XGBoost"),
        (b"hello", "neither JSON nor UBJSON (it begins with b'hello')", SAVE),
        (b"[]", "neither JSON nor UBJSON", SAVE),
    ],
)
def test_a_file_that_is_not_a_model_is_recognised(content: bytes, what: str, todo: str, ending: str) -> None:
    found = mistaken(content, ending)
    assert what in found[0]
    assert todo in found[1]


@pytest.mark.parametrize(
    ("content", "name", "ending"),
    [
        (bytes(train("logistic").save_raw("ubj")), "UBJSON", ".ubj"),
        (bytes(train("logistic").save_raw("json")), "JSON", ".json"),
        (b"tree\nversion=v4\nnum_class=1\n", "a model of LightGBM", ".txt"),
        (b'{"threshold_type":"float64",', "JSON", ".json"),
        (b"\x08\x07\x12\x08skl2onnx" + bytes(20), "a model of ONNX", ".onnx"),
    ],
)
def test_a_model_is_recognised_by_its_content_and_its_name_must_match(content: bytes, name: str, ending: str) -> None:
    assert mistaken(content, ending) == ("", "")
    for other in {".ubj", ".json", ".txt", ".onnx", ".model", ""} - {ending}:
        what, todo = mistaken(content, other)
        assert what == f"it is {name}, but its name ends in '{other}'"
        assert f"rename the file to end in {ending}" in todo


def test_reformatted_json_is_a_model() -> None:
    text = json.dumps(json.loads(train("logistic").save_raw("json")), indent=4)
    assert mistaken(text.encode(), ".json") == ("", "")


def test_the_output_of_other_save_methods_is_recognised(tmp_path: Path) -> None:
    booster = train("logistic")
    for form in ("json", "text", "dot"):
        booster.dump_model(tmp_path / "dump", dump_format=form)
        assert recognise((tmp_path / "dump").read_bytes()).what.startswith("it is the output of `dump_model`"), form
    assert "configuration (`save_config`)" in recognise(booster.save_config().encode()).what
    assert "a booster's memory" in recognise(bytes(booster.__getstate__()["handle"])[:4096]).what
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("model.ubj", b"")
    assert "compressed (zip)" in recognise((tmp_path / "zip").read_bytes()).what


def test_a_pickle_is_never_loaded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.ubj"
    file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(Misconfigured, match="it is a pickle, which is never loaded"):
        load_booster(file)
    assert "unpickled" not in capfd.readouterr().out
