"""The settings of the HTTP server, and its token."""

from typing import Any

import pytest

from scorer.security import redaction
from scorer.settings import mask
from tests.settings.conftest import Load, Problems


def test_http_listens_on_loopback_without_token_and_tls_by_default(read: Load) -> None:
    http = read().settings.http
    assert http is not None
    assert (http.host, http.token, http.token_file, http.tls) == ("127.0.0.1", "", None, None)


def test_a_token_and_a_certificate_can_be_set_by_variables(read: Load) -> None:
    environ = {"SCORER_HTTP__TOKEN_FILE": "token", "SCORER_HTTP__TLS": '{"certificate": "a.pem", "key": "a.key"}'}
    http = read({}, environ).settings.http
    assert http is not None
    assert http.tls is not None
    assert http.tls.key is not None
    assert http.token_file is not None
    assert (http.token_file.name, http.tls.certificate.name, http.tls.key.name) == ("token", "a.pem", "a.key")


@pytest.mark.parametrize(
    ("http", "where", "expected"),
    [
        ({"token": "a b"}, "http.token", "expected printable ASCII without spaces"),
        ({"token": "t\xf6ken"}, "http.token", "expected printable ASCII without spaces"),
        ({"token": "s3cret", "token_file": "f"}, "http.token_file", "expected http.token or http.token_file, not both"),
        ({"tls": {"key": "k"}}, "http.tls.certificate", "expected a path, in scorer.yaml or in SCORER_HTTP__TLS__CERT"),
    ],
)
def test_invalid_settings_are_reported(problems: Problems, http: dict[str, Any], where: str, expected: str) -> None:
    (problem,) = problems({f"http.{key}": value for key, value in http.items()})
    assert problem.where.startswith(where)
    assert problem.expected.startswith(expected)
    assert not any(secret in str(problem) for secret in ("a b", "t\xf6ken", "s3cret"))


def test_the_token_is_masked_and_redacted(read: Load) -> None:
    settings = read({"http.token": "s3cret"}).settings
    assert "s3cret" not in str(mask(settings))
    assert "s3cret" not in redaction.redact("the client said s3cret")
