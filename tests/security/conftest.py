from collections.abc import Iterator

import pytest

from tests.security.wire import Wire


@pytest.fixture(scope="session")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A broker that all tests of this folder share: make topics of your own, and leave it running."""
    with Wire(tmp_path_factory.mktemp("wire")) as server:
        server.give_scram()
        yield server
