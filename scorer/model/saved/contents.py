"""Recognises a file by its first bytes, and says what to do if it is not a model.

Nothing is loaded: a pickle, for example, could run any code.
"""

import re
from dataclasses import dataclass

HEAD = 4096  # bytes that are examined
SAVE = "booster.save_model('model.ubj')"
XGBOOST = ("json", "ubj")  # the kinds that XGBoost reads
SAVED_AS = {"ubj": ".ubj", "json": ".json", "lightgbm": ".txt", "treelite": ".json", "onnx": ".onnx"}
MODEL_ENDINGS = ".ubj, .json, .txt or .onnx"
_NAMES = {
    "json": "JSON",
    "ubj": "UBJSON",
    "lightgbm": "a model of LightGBM",
    "treelite": "JSON",
    "onnx": "a model of ONNX",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file is.

    kind: a key of SAVED_AS if it may be a model that can be read, otherwise empty.
    what: a phrase for messages; empty if there is a kind.
    todo: what the user can do.
    """

    kind: str
    what: str = ""
    todo: str = ""


_SAVE_AGAIN = (  # where its classes are installed
    f"load it where it was made, and save it: XGBoost with {SAVE}, LightGBM with booster.save_model('model.txt'),"
    " scikit-learn with treelite.sklearn.import_model(model).dump_as_json() into model.json"
)
_OLD = Contents(
    "",
    "it is in XGBoost's old binary format, which XGBoost 3.1 and later cannot read",
    f"load it with XGBoost 3.0 or earlier (pip install 'xgboost<3.1') and save it again with {SAVE}",
)
_PICKLE = Contents("", "it is a pickle, which is never loaded, since loading one runs its code", _SAVE_AGAIN)
_DUMP = Contents(
    "", "it is the output of `dump_model`, which is for people and cannot be loaded", f"save the booster with {SAVE}"
)
_LIGHTGBM_DUMP = Contents("", "it is the output of LightGBM's `dump_model`", "use booster.save_model('model.txt')")
_SNAPSHOT = Contents("", "it is a booster's memory, as in a pickle, not a saved model", _SAVE_AGAIN)
_CONFIG = Contents("", "it is a booster's configuration (`save_config`), without its trees", f"use {SAVE}")
_LFS = Contents("", "it is a Git LFS pointer instead of the file", "fetch the file itself: git lfs pull")
_PAGE = Contents("", "it is a web page, perhaps a login page or an error page", "download the file itself")


_EXPECTED = "expected a model of XGBoost, LightGBM, scikit-learn or ONNX: see docs/model-formats.md"


def _archive(name: str) -> Contents:
    return Contents("", f"it is compressed ({name})", "decompress it, and use the model in it")


def _other(name: str) -> Contents:
    return Contents("", f"it is a model of {name}", _EXPECTED)


_BEGINNINGS: tuple[tuple[bytes, Contents], ...] = (
    (b"binf", _OLD),
    (b"bs64\t", _OLD),
    (b"\x1f\x8b", _archive("gzip")),
    (b"PK\x03\x04", _archive("zip")),
    (b"BZh", _archive("bzip2")),
    (b"\xfd7zXZ\x00", _archive("xz")),
    (b"\x28\xb5\x2f\xfd", _archive("zstandard")),
    (b"version https://git-lfs.github.com", _LFS),
    (b"tree\nversion=", Contents("lightgbm")),
    (b"tree\r\nversion=", Contents("lightgbm")),
    (b"CBM1", _other("CatBoost")),
    (b"\x89HDF", _other("Keras (HDF5)")),
)
_PATTERNS: tuple[tuple[re.Pattern[bytes], Contents], ...] = (
    (re.compile(rb'\s*\{\s*"threshold_type"'), Contents("treelite")),
    (re.compile(rb"\x80[\x02-\x05]"), _PICKLE),
    (re.compile(rb"(c[a-z_][\w.]*\n\w+\n|\(dp0|\(lp0|ccopy_reg)"), _PICKLE),  # protocol 0
    (re.compile(rb"x[\x01\x5e\x9c\xda]"), _archive("zlib, as joblib does")),
    (re.compile(rb"\s*booster\[\d+\]:"), _DUMP),
    (re.compile(rb"\s*digraph\b"), _DUMP),
    (re.compile(rb'\s*\[\s*\{\s*"nodeid"'), _DUMP),
    (re.compile(rb'\s*\{\s*"nodeid"'), _DUMP),
    (re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE), _PAGE),
    (re.compile(rb"\s*<\?xml|\s*<PMML"), _other("another kind (XML, perhaps PMML)")),
    (re.compile(rb'\{L.{7}\x06Config|\s*\{\s*"Config"', re.DOTALL), _SNAPSHOT),
    (re.compile(rb'\s*\{\s*"(?s:.*)"learner_train_param"'), _CONFIG),
    (re.compile(rb"(?s:\s*\{.*\"tree_info\").*\"tree_structure\""), _LIGHTGBM_DUMP),
    (re.compile(rb'(?s:\s*\{.*)"oblivious_trees"'), _other("CatBoost")),
    (re.compile(rb"\x08[\x01-\x14][\x12\x1a\x22\x28\x32\x3a\x42]"), Contents("onnx")),  # its version, another field
)
_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*["}]')
_UBJSON = re.compile(rb"\{[iUIlL]")


def recognise(head: bytes) -> Contents:
    """Recognise a file by its first HEAD bytes."""
    if not head:
        return Contents("", "it is empty", f"save the booster with {SAVE}")
    for beginning, contents in _BEGINNINGS:
        if head.startswith(beginning):
            return contents
    for pattern, contents in _PATTERNS:
        if pattern.match(head):
            return contents
    if _UBJSON.match(head):
        return Contents("ubj")
    if _JSON.match(head):
        return Contents("json")
    what = f"it is neither JSON nor UBJSON (it begins with {head[:12]!r})"
    return Contents("", what, f"save the booster with {SAVE}")


def mistaken(head: bytes, ending: str) -> tuple[str, str]:
    """Return why a file cannot be read as a model under its name.

    Args:
        head: the file's first HEAD bytes.
        ending: the ending of its name, such as `.ubj`, by which XGBoost chooses how to read it.

    Returns:
        What the file is, and what to do; both are empty if nothing is wrong.
    """
    contents = recognise(head)
    if contents.what:
        return contents.what, contents.todo
    right = SAVED_AS[contents.kind]
    if ending == right:
        return "", ""
    todo = f"expected a name that ends in {MODEL_ENDINGS}: rename the file to end in {right}"
    return f"it is {_NAMES[contents.kind]}, but its name ends in '{ending}'", todo
