"""What a repository of models must do, whatever keeps its versions: each test runs on every member."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import pytest
from structlog.testing import capture_logs

from scorer.errors import Misconfigured
from scorer.model import Repository, parse_rounds, repository_at
from tests.model.s3 import BUCKET, S3, serving

Files = dict[str, Path]


@dataclass(frozen=True)
class Member:
    """One kind of repository, for a model that is named `delays`.

    location: of a repository that does not exist yet.
    damage:   changes the model of a version behind the back of the repository.
    many:     how many versions can be added in some seconds.
    """

    location: Path | str
    damage: Callable[[str], object]
    many: int = 20

    def open(self) -> Repository:
        return repository_at(self.location)


def folder_member(root: Path) -> Member:
    path = root / "models/delays"
    return Member(path, lambda version: (path / version / "model.ubj").write_bytes(b"other trees"))


def in_a_bucket(server: S3, cache: Path) -> Member:
    path = f"{BUCKET}/{uuid.uuid4().hex}/delays"

    def damage(version: str) -> None:
        shutil.rmtree(cache)  # otherwise the download is used, which is whole
        server.files().pipe_file(f"{path}/{version}/model.ubj", b"other trees")

    return Member(f"s3://{path}", damage, many=4)


def at_a_file_url(root: Path) -> Member:
    path = root / "models with spaces/delays"
    return Member(path.as_uri(), lambda version: (path / version / "model.ubj").write_bytes(b"other trees"))


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "file", "s3"])
def member(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Member:
    if request.param != "s3":
        return {"folder": folder_member, "file": at_a_file_url}[request.param](tmp_path)
    server: S3 = request.getfixturevalue("s3")
    server.introduce(monkeypatch, tmp_path / "cache")
    return in_a_bucket(server, tmp_path / "cache")


@pytest.fixture
def repository(member: Member) -> Repository:
    return member.open()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    contents = {"model.ubj": b"trees" * 1000, "plan.yaml": b"columns: []\n", "golden.jsonl": b"{}\n"}
    (tmp_path / "source").mkdir()
    for name, data in contents.items():
        (tmp_path / "source" / name).write_bytes(data)
    return {name: tmp_path / "source" / name for name in contents}


def test_an_added_version_is_found_with_its_files_by_every_instance(
    member: Member, repository: Repository, files: Files
) -> None:
    added = repository.add("1", files, "binary:logistic", parse_rounds("best"))
    for bundle in (added, repository.find(), repository.find("1"), member.open().find("1")):
        assert (bundle.name, bundle.version, bundle.verified) == ("delays", "1", True)
        assert bundle.manifest is not None
        assert bundle.manifest.objective == "binary:logistic"
        assert str(bundle.rounds) == "best"
        assert bundle.golden_file is not None
        found = (bundle.model_file, bundle.plan_file, bundle.golden_file)
        assert [file.read_bytes() for file in found] == [file.read_bytes() for file in files.values()]


def test_a_repository_is_named_after_its_location_and_shows_it(member: Member, repository: Repository) -> None:
    assert repository.name == "delays"
    assert repository.location == str(member.location).removeprefix("file://").replace("%20", " ")


def test_versions_are_in_natural_order_and_latest_is_the_last(repository: Repository, files: Files) -> None:
    for version in ("10", "9", "2024-10", "2024-9"):
        repository.add(version, files, "")
    assert repository.versions() == ["9", "10", "2024-9", "2024-10"]
    assert repository.resolve("latest") == repository.find().version == "2024-10"
    assert repository.resolve("9") == repository.find("9").version == "9"


def test_the_next_version_is_the_next_number(repository: Repository, files: Files) -> None:
    assert repository.next_version() == "1"
    for version in ("9", "10", "2024-10"):
        repository.add(version, files, "")
    assert repository.next_version() == "11"


def test_a_missing_repository_cannot_be_read_but_can_be_added_to(repository: Repository, files: Files) -> None:
    for read in (repository.versions, repository.find, lambda: repository.resolve("1")):
        with pytest.raises(Misconfigured, match=r"model\.path: cannot read"):
            read()
    assert repository.new_version_problems("1") == []
    repository.add("1", files, "")
    assert repository.versions() == ["1"]


def test_the_error_for_an_unknown_version_lists_the_versions_and_the_nearest(
    repository: Repository, files: Files
) -> None:
    repository.add("2024-09", files, "")
    for read in (repository.resolve, repository.find):
        with pytest.raises(Misconfigured) as refused:
            read("2024-19")
        (problem,) = refused.value.problems
        assert problem.where == "model.version"
        assert problem.what == "no version '2024-19'; did you mean '2024-09'?"
        assert problem.expected == f"{repository.location} has 2024-09"


def test_a_version_never_changes(repository: Repository, files: Files) -> None:
    repository.add("1", files, "")
    (problem,) = repository.new_version_problems("1")
    assert (problem.where, problem.what) == ("--version", f"{repository.location}/1 exists")
    other = files | {"model.ubj": files["plan.yaml"]}
    with pytest.raises(Misconfigured, match="exists; a version never changes"):
        repository.add("1", other, "")
    assert repository.find("1").model_file.read_bytes() == files["model.ubj"].read_bytes()


@pytest.mark.parametrize("version", ["../1", "..", ".1", "", "latest", "a/b", "a\\b", "1\n"])
def test_a_version_has_a_plain_name(repository: Repository, files: Files, version: str) -> None:
    (problem,) = repository.new_version_problems(version)
    assert problem.what == f"{version!r} cannot be a version's name"
    with pytest.raises(Misconfigured, match="cannot be a version's name"):
        repository.add(version, files, "")


def test_a_version_whose_write_failed_does_not_exist(repository: Repository, files: Files) -> None:
    repository.add("1", files, "")
    with pytest.raises(OSError, match="nowhere"):
        repository.add("2", files | {"plan.yaml": Path("nowhere")}, "")
    with capture_logs() as logs:
        assert (repository.versions(), repository.find().version) == (["1"], "1")
    assert logs == []


def test_files_that_differ_from_the_manifest_are_refused(member: Member, repository: Repository, files: Files) -> None:
    repository.add("1", files, "")
    member.damage("1")
    with pytest.raises(Misconfigured, match="was changed since it was added: its sha256 is"):
        repository.find("1")
    assert repository.versions() == ["1"]


def test_only_one_of_several_concurrent_adds_of_a_version_succeeds(member: Member, files: Files) -> None:
    together = Barrier(4)

    def add(number: int) -> str:
        repository = member.open()
        together.wait(10)
        try:
            repository.add("1", files, f"objective {number}")
        except Misconfigured as refused:
            return str(refused)
        return "added"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(add, range(4)))
    assert sorted("exists; a version never changes" in answer for answer in answers) == [False, True, True, True]
    manifest = member.open().find("1").manifest
    assert manifest is not None
    assert manifest.objective == f"objective {answers.index('added')}"


def test_a_version_appears_atomically(member: Member, repository: Repository, files: Files) -> None:
    repository.add("0", files, "")
    versions = [str(number) for number in range(1, 1 + member.many)]
    with ThreadPoolExecutor(1) as pool, capture_logs() as logs:
        adding = pool.submit(lambda: [member.open().add(version, files, "") for version in versions])
        while not adding.done():
            assert all(repository.find(version).verified for version in [*repository.versions(), "latest"])
        adding.result()
    assert repository.versions() == ["0", *versions]
    assert logs == []


@pytest.mark.parametrize(
    "location", ["s3://key:secret@bucket/models/delays", "simplecache::s3://bucket/delays", "models:/delays", "s3://b"]
)
def test_an_unsupported_address_is_refused_without_its_secrets(location: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        repository_at(location)
    scheme = location.partition(":")[0]
    assert str(refused.value).startswith(f"model.path: cannot read models from '{scheme}:'; expected a folder of ver")
    assert "secret" not in str(refused.value)
