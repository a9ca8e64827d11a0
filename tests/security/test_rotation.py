"""Secrets from files that are replaced."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scorer.security.rotation import SecretFile
from tests.certificates import put


@pytest.mark.parametrize("fault", ["cannot be read: Permission denied", "is not UTF-8", "is empty"])
def test_an_unusable_file_is_logged_once_and_read_when_usable_again(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    put(file, "one\n")
    secret = SecretFile(file, "kafka.property_files.sasl.password")
    assert secret.read() == "one"
    put(file, "two\n")
    contents = {"is not UTF-8": b"\xff", "is empty": b"\n"}.get(fault)
    if contents is None:
        refused = PermissionError(13, "Permission denied")
        monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(refused))
    else:
        file.write_bytes(contents)
    with capture_logs() as lines:
        assert [secret.read(), secret.read()] == ["one", "one"]
    assert [line["error"] for line in lines] == [f"{file} {fault}"]
    monkeypatch.undo()
    if contents is None:
        file.chmod(0o640)
    else:
        put(file, "two\n")
    with capture_logs() as lines:
        assert secret.read() == "two"
    assert not lines
