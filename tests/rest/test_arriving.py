"""The files at an address arrive with their names, as deep as a model folder is."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from scorer.errors import Misconfigured
from scorer.rest.arriving import fetched

FILES = ["model.ubj", "a/plan.yaml", "a/b/event.avsc", "a/b/c/deep", ".git/config", "a/.hidden"]


@pytest.fixture
def address() -> Iterator[str]:
    store = fsspec.filesystem("memory")
    for name in FILES:
        store.pipe_file(f"/bucket/parcels/7/{name}", name.encode())
    yield "memory://bucket/parcels/7"
    store.rm("/bucket", recursive=True)


@pytest.mark.parametrize("slash", ["", "/"])
def test_files_keep_their_names_and_those_of_two_folders(address: str, tmp_path: Path, slash: str) -> None:
    folder = fetched(address + slash, "AIP_STORAGE_URI", tmp_path, 2)
    assert folder == tmp_path / "parcels/7"
    found = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert found == {name: name for name in FILES[:3]}


def test_an_address_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"AIP_STORAGE_URI: there are no files at memory://bucket/nothing"):
        fetched("memory://bucket/nothing", "AIP_STORAGE_URI", tmp_path, 2)
    with pytest.raises(Misconfigured, match=r"AIP_STORAGE_URI: cannot use 'nowhere:'"):
        fetched("nowhere://bucket/model", "AIP_STORAGE_URI", tmp_path, 2)
