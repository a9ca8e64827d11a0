"""Records what the real Feast writes and answers: `python -m tests.feast.record`."""

import tempfile
from pathlib import Path

from benchmarks.feast.environment import Feast
from scorer.sandbox import Redis
from tests.feast.proof import materialize


def main() -> None:
    """Write the recording anew."""
    with tempfile.TemporaryDirectory() as folder, Redis(Path(folder) / "redis") as server, Feast() as feast:
        materialize(feast, server.url).save()


if __name__ == "__main__":
    main()
