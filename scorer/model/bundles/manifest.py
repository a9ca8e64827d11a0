"""The manifest of a bundle: the sha256 of its files, and where they came from."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from scorer.documents.faults import Fault, faults
from scorer.documents.files import read_bytes
from scorer.errors import Misconfigured, Problem
from scorer.model.learned.rounds import Rounds, parse_rounds

MANIFEST = "manifest.json"
MODELS = ("model.ubj", "model.json", "model.txt", "model.onnx")
PLAN = "plan.yaml"
GOLDEN = "golden.jsonl"
BASELINE = "baseline.json"
FILES = (*MODELS, PLAN, GOLDEN, BASELINE)  # the files of a bundle, each of which its manifest must list

_NEW_VERSION = "add the files as a new version with `scorer models add`"
_SHA256 = re.compile("[0-9a-f]{64}")
_OF_FOLDER, _DIGITS = "expected a file in this folder", "expected 64 hexadecimal digits"


def _name(name: str) -> str:
    if not name or name in {".", ".."} or set(name) & set("/\\\0"):
        raise PydanticCustomError("name", _OF_FOLDER)
    return name


def _digest(digest: str) -> str:
    if not _SHA256.fullmatch(digest.lower()):
        raise PydanticCustomError("digest", _DIGITS)
    return digest.lower()


def _rounds(value: object) -> Rounds | None:
    return None if value is None else parse_rounds(value)


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)  # unknown keys are ignored

    files: dict[Annotated[str, AfterValidator(_name)], Annotated[str, AfterValidator(_digest)]]
    xgboost: str | None = None
    objective: str | None = None
    created: str | None = None
    rounds: Annotated[Any, PlainValidator(_rounds)] = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of manifest.json; everything but `files` and `rounds` is for people."""

    files: Mapping[str, str]  # name -> sha256, lower-case hex
    xgboost: str | None = None  # the version that wrote the bundle of a model of XGBoost
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
            return cls(**dict(_Form.model_validate(json.loads(read_bytes(file)))))
        except OSError as error:
            raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
        except ValidationError as error:
            raise Misconfigured([Problem(str(file), *_worded(fault)) for fault in faults(error, _Form)]) from error
        except (ValueError, RecursionError) as error:
            raise Misconfigured(
                [Problem(str(file), f"is not JSON: {error}", "write the bundle again with `scorer models add`")]
            ) from error

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


def _worded(fault: Fault) -> tuple[str, str]:
    """Return what is wrong with a manifest, and what was expected."""
    at = ".".join(map(str, fault.path))
    if not fault.path and not fault.missing:
        return "is not an object", 'expected {"files": {...}}'
    if fault.missing or at == "files":
        return "has no object 'files'", 'expected {"files": {"model.ubj": "<sha256 hex>", ...}}'
    if fault.expected == _OF_FOLDER:
        return f"files: {fault.found!r} is not a file name", _OF_FOLDER
    if fault.path[0] == "files":
        return f"{at}: {fault.found!r} is not a sha256", _DIGITS
    return (f"{at}: {fault.reason}" if fault.reason else f"{at}: {fault.found!r} is not text"), ""
