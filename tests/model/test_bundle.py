import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scorer.errors import Misconfigured
from scorer.model import repository_at
from scorer.model.bundles.manifest import Manifest, sha256


def make(path: Path, version: str, *, model: str = "model.ubj", manifest: bool = True) -> Path:
    folder = path / version
    folder.mkdir(parents=True)
    (folder / model).write_bytes(b"trees")
    (folder / "plan.yaml").write_text("columns: []\n")
    if manifest:
        Manifest({name: sha256(folder / name) for name in (model, "plan.yaml")}).write(folder / "manifest.json")
    return folder


def problems(path: Path, version: str = "latest") -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        repository_at(path).find(version)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "names",
    [
        ["9", "10"],
        ["2024-9", "2024-10"],
        ["v1.9", "v1.10"],
        ["1", "1.1", "1.2", "1.10", "2"],
        ["01", "1", "02", "2"],
        ["2", "candidate"],
        ["9", "9-b", "10"],
        ["a", "a1", "a1b", "a2"],
        ["1", "²"],  # a digit, and yet no number to Python
    ],
)
def test_latest_is_the_last_in_natural_order(tmp_path: Path, names: list[str]) -> None:
    for name in reversed(names):
        make(tmp_path, name)
    assert repository_at(tmp_path).versions() == names
    assert repository_at(tmp_path).find().version == names[-1]


def test_a_bundle_names_its_model_version_and_files(tmp_path: Path) -> None:
    folder = make(tmp_path / "delays", "3", model="model.json")
    bundle = repository_at(tmp_path / "delays").find("3")
    assert (bundle.name, bundle.version, bundle.folder) == ("delays", "3", folder)
    assert (bundle.model_file, bundle.plan_file) == (folder / "model.json", folder / "plan.yaml")
    assert bundle.golden_file is None
    assert bundle.verified


def test_a_version_is_found_by_name_although_a_newer_one_exists(tmp_path: Path) -> None:
    make(tmp_path, "9")
    make(tmp_path, "10")
    assert repository_at(tmp_path).find("9").version == "9"


def test_hidden_folders_stray_files_and_the_word_latest_are_not_versions(tmp_path: Path) -> None:
    make(tmp_path, "1")
    make(tmp_path, ".2-abc")
    make(tmp_path, "latest")
    (tmp_path / "3").write_text("a file")
    assert repository_at(tmp_path).versions() == ["1"]
    assert repository_at(tmp_path).find().version == "1"


@pytest.mark.parametrize("there", [[], ["model.ubj"], ["plan.yaml"], ["model.ubj.part", "plan.yaml"]])
def test_latest_skips_a_version_that_is_still_being_copied_and_logs_it(tmp_path: Path, there: list[str]) -> None:
    make(tmp_path, "1")
    (tmp_path / "2").mkdir()
    for name in there:
        (tmp_path / "2" / name).touch()
    with capture_logs() as logs:
        assert repository_at(tmp_path).find().version == "1"
    assert [(line["log_level"], line["version"], line["used"]) for line in logs] == [("warning", "2", "1")]


def test_latest_does_not_skip_a_damaged_version(tmp_path: Path) -> None:
    make(tmp_path, "1")
    (make(tmp_path, "2") / "model.ubj").unlink()
    assert any("model.ubj: is missing" in problem for problem in problems(tmp_path))


def test_the_error_for_an_unknown_version_lists_the_versions_and_the_nearest(tmp_path: Path) -> None:
    make(tmp_path, "2024-09")
    make(tmp_path, "2024-10")
    (problem,) = problems(tmp_path, "2024-19")
    assert "no version '2024-19'" in problem
    assert "did you mean '2024-" in problem
    assert "2024-09, 2024-10" in problem


@pytest.mark.parametrize("version", ["../other/1", "..", ".", "", "1/../1", "/etc", ".hidden", "1\\2", "1\n"])
def test_a_version_is_a_name_and_never_a_path(tmp_path: Path, version: str) -> None:
    make(tmp_path / "m", "1")
    make(tmp_path / "other", "1")
    make(tmp_path / "m", ".hidden")
    (problem,) = problems(tmp_path / "m", version)
    assert "no version" in problem


def test_a_missing_folder_a_file_or_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    assert "model.path: cannot read the folder" in problems(tmp_path / "nowhere")[0]
    (tmp_path / "file").touch()
    assert "Not a directory" in problems(tmp_path / "file")[0]
    assert "no versions" in problems(tmp_path)[0]
    assert "has no versions" in problems(tmp_path, "1")[0]


def test_the_folder_of_one_version_is_recognised(tmp_path: Path) -> None:
    folder = make(tmp_path / "delays", "1")
    assert f"use {tmp_path / 'delays'}" in problems(folder)[0]


def test_a_missing_model_and_plan_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    found = problems(tmp_path)
    assert len(found) == 2
    assert "has no model; expected model.ubj, model.json, model.txt or model.onnx" in found[0]
    assert "has no plan.yaml" in found[1]


def test_two_models_are_ambiguous(tmp_path: Path) -> None:
    folder = make(tmp_path, "1", manifest=False)
    (folder / "model.json").touch()
    assert "has model.ubj and model.json" in problems(tmp_path)[0]


def test_a_bundle_without_a_manifest_loads_unverified_with_a_warning(tmp_path: Path) -> None:
    make(tmp_path, "1", manifest=False)
    with capture_logs() as logs:
        bundle = repository_at(tmp_path).find()
    assert not bundle.verified
    assert bundle.manifest is None
    assert [line["log_level"] for line in logs] == ["warning"]
    assert "unverified" in logs[0]["event"]


def test_changed_missing_and_unlisted_files_are_reported_together(tmp_path: Path) -> None:
    folder = make(tmp_path, "1")
    with (folder / "model.ubj").open("ab") as file:
        file.write(b"!")
    (folder / "plan.yaml").unlink()
    (folder / "golden.jsonl").touch()
    (folder / "NOTES.md").touch()
    found = problems(tmp_path)
    assert any("model.ubj: was changed since it was added: its sha256 is" in problem for problem in found)
    assert any("plan.yaml: is missing, but manifest.json lists it" in problem for problem in found)
    assert any("golden.jsonl: is not listed in manifest.json" in problem for problem in found)
    assert not any("NOTES" in problem for problem in found)


def test_an_upper_case_sha256_matches(tmp_path: Path) -> None:
    manifest = make(tmp_path, "1") / "manifest.json"
    document = json.loads(manifest.read_text())
    document["files"] = {name: digest.upper() for name, digest in document["files"].items()}
    manifest.write_text(json.dumps(document))
    assert repository_at(tmp_path).find().verified


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not an object"),
        ("{}", "has no object 'files'"),
        ('{"files": []}', "has no object 'files'"),
        ('{"files": {"model.ubj": "abc"}}', "files.model.ubj: 'abc' is not a sha256"),
        ('{"files": {"../x": "' + 64 * "0" + '"}}', "'../x' is not a file name"),
        ('{"files": {}, "objective": 3}', "objective: 3 is not text"),
        ('{"files": {}}', "model.ubj: is not listed"),
    ],
)
def test_an_unusable_manifest_is_reported_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    (make(tmp_path, "1") / "manifest.json").write_text(text, encoding="latin-1")
    assert any(said in problem for problem in problems(tmp_path))


def test_an_added_bundle_is_verified_and_leaves_no_other_files(tmp_path: Path) -> None:
    source = make(tmp_path / "source", "x")
    files = {name: source / name for name in ("model.ubj", "plan.yaml")}
    bundle = repository_at(tmp_path / "delays").add("1", files, "binary:logistic")
    assert bundle.verified
    assert bundle.manifest is not None
    assert bundle.manifest.objective == "binary:logistic"
    assert set(bundle.manifest.files) == {"model.ubj", "plan.yaml"}
    assert repository_at(tmp_path / "delays").find() == bundle
    assert [entry.name for entry in (tmp_path / "delays").iterdir()] == ["1"]


def test_a_version_never_changes(tmp_path: Path) -> None:
    source = make(tmp_path, "1")
    with pytest.raises(Misconfigured, match="exists; a version never changes"):
        repository_at(tmp_path).add("1", {"plan.yaml": source / "plan.yaml"}, "")
    assert repository_at(tmp_path).find().verified


def test_a_failed_write_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        repository_at(tmp_path / "m").add("1", {"model.ubj": tmp_path / "nowhere"}, "")
    assert list((tmp_path / "m").iterdir()) == []


@pytest.mark.parametrize("version", ["../1", ".1", "", "latest", "a/b"])
def test_a_version_must_be_a_name(tmp_path: Path, version: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be a version's name"):
        repository_at(tmp_path).add(version, {}, "")


def test_the_next_version_is_the_next_natural_number(tmp_path: Path) -> None:
    assert repository_at(tmp_path / "nowhere").next_version() == repository_at(tmp_path).next_version() == "1"
    for name in ("9", "10", "2024-10", "v99"):
        (tmp_path / name).mkdir()
    assert repository_at(tmp_path).next_version() == "11"
