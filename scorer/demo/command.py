"""A command of `scorer` that the demo runs beside its replicas, as people do."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from scorer.errors import Fatal
from scorer.sandbox.watchdog import watchdog


class Command:
    """A command of `scorer` as a child process.

    Args:
        words: the command and its options.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        own = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with this object
        self._process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "scorer", *words],
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=self._out,  # a file, since a full pipe would stop a command that nobody reads
            stderr=subprocess.STDOUT,
            process_group=watchdog().group,
        )

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def document(self) -> Any:  # noqa: ANN401  what the command prints as JSON
        """Wait until it has ended, and return the JSON document that it has printed.

        Raises:
            Fatal: it failed.
        """
        self._process.wait()
        self.ended()
        out = self._said()
        return json.loads(out[out.index("{") :])

    def ended(self) -> bool:
        """Return whether it has ended.

        Raises:
            Fatal: it failed.
        """
        code = self._process.poll()
        if code:
            raise Fatal(f"scorer {' '.join(self._words)} exited with code {code}:\n{self._said()}")
        return code is not None

    def _said(self) -> str:
        self._out.seek(0)
        return self._out.read()
