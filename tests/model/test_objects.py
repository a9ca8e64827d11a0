"""Versions in an object store, on a server with the interface of S3: what is downloaded, and when it is unavailable."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scorer.errors import Misconfigured, RepositoryUnavailable
from scorer.model import Repository, repository_at
from scorer.model.repositories import objects
from tests.model.s3 import BUCKET, S3, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[S3]:
    """A server that a test may stop."""
    with serving(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {"model.ubj": b"trees" * 1000, "plan.yaml": b"columns: []\n"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in contents}


class Bucket:
    """A repository with version 1, and what is behind its back."""

    def __init__(self, server: S3, files: dict[str, Path]) -> None:
        self.server, self.store = server, server.files()
        self.path = f"{BUCKET}/{uuid.uuid4().hex}/delays"
        self.url = f"s3://{self.path}"
        self.open().add("1", files, "binary:logistic")

    def open(self) -> Repository:
        return repository_at(self.url)

    def put(self, name: str, data: bytes) -> None:
        self.store.pipe_file(f"{self.path}/{name}", data)

    def remove(self, name: str) -> None:
        self.store.rm_file(f"{self.path}/{name}")

    def downloads(self) -> int:
        """How often the model of version 1 was downloaded."""
        return self.server.log.read_text().count(f"GET /{self.path}/1/model.ubj")


Make = Callable[[S3], Bucket]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]) -> Make:
    def make(server: S3) -> Bucket:
        server.introduce(monkeypatch, tmp_path / "cache")
        return Bucket(server, files)

    return make


@pytest.fixture
def bucket(server: S3, make: Make) -> Bucket:
    return make(server)


def test_a_version_is_downloaded_once_and_again_if_the_download_was_changed(bucket: Bucket) -> None:
    repository = bucket.open()
    first = repository.find("1")
    assert (repository.find(), bucket.open().find("1"), bucket.downloads()) == (first, first, 1)
    first.model_file.write_bytes(b"other trees")
    assert repository.find("1").model_file.read_bytes() == b"trees" * 1000
    assert bucket.downloads() == 2


@pytest.mark.prove
def test_without_the_store_a_named_version_comes_from_the_cache_and_the_latest_is_unknown(
    own_server: S3, make: Make
) -> None:
    bucket = make(own_server)
    own_server.kill()
    with capture_logs() as logs:
        assert bucket.open().find("1").verified
    (line,) = logs
    assert line["event"] == "model repository is unavailable, using the downloaded version"
    with pytest.raises(RepositoryUnavailable, match=rf"the models at {bucket.url} cannot be read now: "):
        bucket.open().find()
    with pytest.raises(RepositoryUnavailable):  # the download of another address is not used
        repository_at(f"s3://{BUCKET}/other/delays").find("1")
    shutil.rmtree(bucket.open().find("1").folder.parents[1])
    with pytest.raises(RepositoryUnavailable):
        bucket.open().find("1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model.ubj": b"other trees"}, r"s3://.*/delays/1/model\.ubj: was changed since it was added"),
        ({"model.ubj": None}, r"s3://.*/delays/1: has no model"),
        ({"manifest.json": b"{"}, r"s3://.*/delays/1/manifest\.json: is not JSON"),
        ({"manifest.json": b" " * 2_001}, r"manifest\.json: has 2,001 bytes"),
    ],
)
def test_a_broken_version_is_never_opened(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, bytes | None], reason: str
) -> None:
    monkeypatch.setattr(objects, "MOST_MANIFEST_BYTES", 2_000)
    shutil.rmtree(tmp_path / "cache")
    for name, data in change.items():
        if data is None:
            bucket.remove(f"1/{name}")
        else:
            bucket.put(f"1/{name}", data)
    with pytest.raises(Misconfigured, match=reason):
        bucket.open().find("1")
    assert not list((tmp_path / "cache").glob("scorer/models/*"))


def test_a_version_without_a_manifest_is_not_there(bucket: Bucket) -> None:
    bucket.put("2/model.ubj", b"trees")
    assert (bucket.open().versions(), bucket.open().resolve("latest")) == (["1"], "1")


def test_an_interrupted_upload_is_named(bucket: Bucket, files: dict[str, Path]) -> None:
    bucket.put(f"2/{objects.CLAIM}", b"")
    with pytest.raises(Misconfigured, match=rf"an upload was interrupted: remove 2/{objects.CLAIM}"):
        bucket.open().add("2", files, "")
    bucket.remove(f"2/{objects.CLAIM}")
    assert bucket.open().add("2", files, "").version == "2"


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_missing_is_a_mistake() -> None:
    with pytest.raises(Misconfigured, match=r"model\.path: cannot read s3://nowhere/delays"):
        repository_at("s3://nowhere/delays").find()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        Misconfigured, match=r"from 'nosuch:'; expected a folder of versions, or an address that fsspec"
    ):
        repository_at("nosuch://bucket/delays")
    with pytest.raises(Misconfigured, match=r"from 'gs:': .*gcsfs.*; install scorer\[objects\]"):  # not among ours
        repository_at("gs://bucket/delays")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(Misconfigured, match=r"fsspec is missing; install scorer\[objects\]"):
        repository_at("s3://bucket/delays")


def test_a_folder_needs_no_package_of_object_stores() -> None:
    script = "import sys, scorer.model; print(sorted({'fsspec', 's3fs'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
