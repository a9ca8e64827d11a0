"""The manifest of a bundle: the sha256 of its files, and where they came from."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scorer.errors import Misconfigured, Problem
from scorer.model.rounds import Rounds, parse_rounds

MANIFEST = "manifest.json"
MODELS = ("model.ubj", "model.json")
PLAN = "plan.yaml"
GOLDEN = "golden.jsonl"
FILES = (*MODELS, PLAN, GOLDEN)  # the files of a bundle, each of which its manifest must list

_TEXTS = ("xgboost", "objective", "created")
_NEW_VERSION = "add the files as a new version with `scorer models add`"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of manifest.json; all but `files` and `rounds` is for people."""

    files: Mapping[str, str]  # name -> sha256, lower-case hex
    xgboost: str | None = None  # the version that wrote the bundle
    objective: str | None = None
    created: str | None = None  # ISO 8601
    rounds: Rounds | None = None  # which of the model's rounds score; None for all, with a warning if fewer are best

    @classmethod
    def read(cls, file: Path) -> "Manifest":
        """Read a manifest; unknown keys are ignored.

        Raises:
            Misconfigured: if the file is not a manifest, with every reason.
        """
        try:
            document = json.loads(file.read_bytes())
        except OSError as error:
            raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
        except ValueError as error:
            raise Misconfigured(
                [Problem(str(file), f"is not JSON: {error}", "write the bundle again with `scorer models add`")]
            ) from error
        problems = [Problem(str(file), what, expected) for what, expected in _wrong(document)]
        if problems:
            raise Misconfigured(problems)
        files = {name: digest.lower() for name, digest in document["files"].items()}
        rounds = document.get("rounds")
        texts = {key: document.get(key) for key in _TEXTS}
        return cls(files, rounds=None if rounds is None else parse_rounds(rounds), **texts)

    def problems(self, folder: Path) -> list[Problem]:
        """Return how the folder's files differ from the list: missing, changed, or not listed."""
        found = []
        for name, expected in self.files.items():
            file = folder / name
            if not file.is_file():
                found.append(Problem(str(file), f"is missing, but {MANIFEST} lists it", _NEW_VERSION))
            elif (actual := sha256(file)) != expected:
                what = f"was changed since it was added: its sha256 is {actual}, {MANIFEST} says {expected}"
                found.append(Problem(str(file), what, _NEW_VERSION))
        unlisted = [folder / name for name in FILES if name not in self.files and (folder / name).exists()]
        expected = f"remove it, or {_NEW_VERSION}"
        return found + [Problem(str(file), f"is not listed in {MANIFEST}", expected) for file in unlisted]

    def write(self, file: Path) -> None:
        """Write the manifest as JSON."""
        document = asdict(self)
        if self.rounds is None:
            del document["rounds"]
        file.write_text(json.dumps(document, indent=2) + "\n")


def sha256(file: Path) -> str:
    """Return the sha256 of a file's bytes in lower-case hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wrong(document: Any) -> list[tuple[str, str]]:  # noqa: ANN401  JSON
    """Return what is wrong with the document, and what was expected."""
    if not isinstance(document, dict):
        return [("is not an object", 'expected {"files": {...}}')]
    files = document.get("files")
    if not isinstance(files, dict):
        return [("has no object 'files'", 'expected {"files": {"model.ubj": "<sha256 hex>", ...}}')]
    wrong = []
    for name, digest in files.items():
        if not name or name in {".", ".."} or set(name) & set("/\\\0"):
            wrong.append((f"files: {name!r} is not a file name", "expected a file in this folder"))
        elif not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower()):
            wrong.append((f"files.{name}: {digest!r} is not a sha256", "expected 64 hexadecimal digits"))
    wrong += [
        (f"{key}: {document[key]!r} is not text", "") for key in _TEXTS if not isinstance(document.get(key), str | None)
    ]
    if document.get("rounds") is not None:
        try:
            parse_rounds(document["rounds"])
        except ValueError as error:
            wrong.append((f"rounds: {error}", ""))
    return wrong
