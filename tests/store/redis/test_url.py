import contextlib
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from scorer.errors import Misconfigured
from scorer.security import redaction
from scorer.store.redis.connect import connect
from scorer.store.redis.url import FORMS, OPTIONS, parse


def problems(url: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        connect(url, 100)
    return [str(problem) for problem in caught.value.problems]


def test_the_url_of_a_single_server_is_parsed() -> None:
    target = parse("redis://me:s%2Fcret@[::1]:6380/2?client_name=scorer&socket_keepalive=no")
    assert (target.form, target.kind, target.seeds) == ("single", Connection, (("::1", 6380),))
    assert target.options == {
        "username": "me",
        "password": "s/cret",
        "db": 2,
        "client_name": "scorer",
        "socket_keepalive": False,
    }
    assert parse("redis://").seeds == (("localhost", 6379),)
    assert parse("redis://h?db=4").options == {"db": 4}
    assert "cret" not in repr(target)


def test_tls_options_in_the_url_are_used(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    target = parse(f"rediss://h?ssl_ca_certs={authority}&ssl_cert_reqs=none&ssl_check_hostname=false")
    assert target.kind is SSLConnection
    assert target.options == {"ssl_ca_certs": str(authority), "ssl_cert_reqs": "none", "ssl_check_hostname": False}


def test_the_url_of_a_socket_is_parsed() -> None:
    target = parse("unix://me:pw@/run/redis.sock?db=1")
    assert (target.kind, target.seeds) == (UnixDomainSocketConnection, ())
    assert target.options == {"username": "me", "password": "pw", "path": "/run/redis.sock", "db": 1}


def test_the_url_of_a_cluster_is_parsed() -> None:
    target = parse("rediss+cluster://:pw@a:1,b,c:3")
    assert (target.form, target.kind, target.seeds) == ("cluster", SSLConnection, (("a", 1), ("b", 6379), ("c", 3)))
    assert target.options == {"password": "pw"}
    assert parse("redis+cluster://a/0").seeds == (("a", 6379),)


def test_the_url_of_sentinels_is_parsed() -> None:
    target = parse("rediss+sentinel://me:pw@a:1,b/features/3?sentinel_password=other&ssl_cert_reqs=none")
    assert (target.form, target.seeds, target.service) == ("sentinel", (("a", 1), ("b", 26379)), "features")
    assert target.options == {"username": "me", "password": "pw", "db": 3, "ssl_cert_reqs": "none"}
    assert target.sentinels == {"password": "other", "ssl_cert_reqs": "none"}
    assert parse("redis+sentinel://a/m").sentinels == {}
    assert redaction.foreign("pw and other") == "******** and ********"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", ["unknown form 'http://'; expected one of redis://", "redis+sentinel://"]),
        ("localhost:6379", ["not a Redis URL"]),
        ("redis://h?client_name=\udc80", ["has bytes that are not UTF-8; percent-encode them"]),
        ("redis://h:port", ["a host or its port is invalid"]),
        ("redis://h:99999", ["a host or its port is invalid"]),
        ("redis://h/x", ["the database after '/' is not a number"]),
        ("redis://h?db=x", ["db"]),
        ("redis+cluster://h/1", ["database 1 of a cluster"]),
        ("redis+sentinel://h", ["it has no service name", "SERVICE"]),
        ("redis+sentinel://h/m/x", ["the database after '/' is not a number"]),
        ("unix://", ["it has no path of a socket"]),
        ("redis://h?socket_timeout=5", ["option 'socket_timeout' is not supported; set features.timeout_ms instead"]),
        ("redis://h?retry_on_timeout=1", ["'retry_on_timeout'", "features.timeout_ms"]),
        ("redis://h?client_nme=x", ["unknown option 'client_nme'; did you mean 'client_name'?"]),
        ("redis://h?sentinel_password=x", ["unknown option 'sentinel_password'"]),
        ("redis://h?ssl_cert_reqs=none", ["is for TLS; start the URL with rediss"]),
        ("rediss://h?ssl_cert_reqs=never", ["never"]),
        ("rediss://h?ssl_ca_certs=/none.pem", ["ssl_ca_certs: no file /none.pem"]),
    ],
)
def test_a_problem_in_the_url_is_reported(url: str, expected: list[str]) -> None:
    (problem,) = problems(url)
    assert problem.startswith("features.url: ")
    for text in expected:
        assert text in problem


def test_all_problems_in_the_url_are_reported_together() -> None:
    assert len(problems("redis+cluster://a:x,b:y/z?foo=1&ssl_keyfile=k")) == 5


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3c/ret@h",
        "redis://:s3c?ret@h",
        "redis://:s3c#ret@h",
        "redis://:s3c/r@et@h",
        "redis+cluster://:s3c/ret@h,h",
        "ftp:s3cret://h",
    ],
)
def test_a_password_that_breaks_the_url_is_not_repeated(url: str) -> None:
    for problem in problems(url):
        assert "s3c" not in problem
        assert "ret" not in problem.replace("retry", "")


@pytest.mark.parametrize(
    "form", ["redis://{}@h:1/0", "rediss://{}@h", "unix://{}@/run/x", "redis+cluster://{}@h:1,g:2"]
)
@pytest.mark.parametrize(
    ("password", "encoded"),
    [
        ("hun[ter", "%5B"),
        ("hun]ter", "%5D"),
        ("hun[te]r", "%5B"),
        ("h\u2100nter", "%E2%84%80"),  # which NFKC writes as a/c
        ("hun\uff20ter", "%EF%BC%A0"),  # as @
        ("hun\x00ter", "%00"),
        ("hun ter", "%20"),
        ("hun\nter", "%0A"),
        ("hun/ter", "%2F"),
        ("hun?ter", "%3F"),
        ("hun#ter", "%23"),
        ("hun%FFter", "%25"),  # no UTF-8
    ],
)
def test_only_the_character_to_encode_is_shown_of_a_password(form: str, password: str, encoded: str) -> None:
    for login in (f"me:{password}", f":{password}"):
        if form.startswith("unix") and set("/?#") & set(password):
            continue
        (problem,) = problems(form.format(login))
        assert "percent-encode" in problem
        assert encoded in problem
        assert "hun" not in problem.replace("hun, ", "")
        assert "nter" not in problem
        assert "ter" not in problem.replace("character", "")


@pytest.mark.parametrize("query", ["password=AB#CD", "password=AB&CD", "password=AB&CD=EF", "password=AB%FF"])
def test_a_password_in_the_options_must_be_encoded_too(query: str) -> None:
    (problem,) = problems(f"redis://h?{query}")
    assert "percent-encode" in problem
    for piece in ("AB", "CD", "EF"):
        assert piece not in problem


def test_text_that_may_be_the_end_of_a_password_is_not_repeated() -> None:
    first, second = problems("redis://h?passwort=AB&CD=EF")
    assert "did you mean 'password'?" in first
    assert not {"AB", "CD", "EF"} & set(re.findall(r"\w+", first + second))


@pytest.mark.parametrize("rest", [":p/w@/run/x.sock", ":p?w@/run/x", "h/run/x"])
def test_a_socket_url_with_a_host_is_refused(rest: str) -> None:
    (problem,) = problems(f"unix://{rest}")
    assert "percent-encode" in problem
    assert "p/w" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "redis://app:hunter2",
        "redis://app:hunter2/0",
        "redis+cluster://h:1,:hunter2",
        "redis://app/hunter2",
        "rediss+cluster://app://hunter2",
        "rediss+cluster://app://hunter2://h/0",
        "redis+sentinel://app/m/hunter2",
        "hunter2",
        "redishunter2",
    ],
)
def test_a_password_without_a_host_is_not_repeated(url: str) -> None:
    for problem in problems(url):
        assert "hunter2" not in problem


FORMS_OF = st.sampled_from(
    ["redis://{}@h:1/0", "rediss://{}@h", "unix://{}@/run/x", "redis+cluster://{}@h:1,g:2", "redis+sentinel://{}@h/m"]
)
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=12).map(lambda text: f"Zq{text}qZ")


@given(FORMS_OF, PASSWORDS)
def test_any_password_is_accepted_unchanged_or_refused_without_being_repeated(form: str, password: str) -> None:
    taken, said = "", ""
    try:
        taken = parse(form.format(f"me:{password}")).options["password"]
    except Misconfigured as error:
        said = str(error)
    assert taken == unquote(password) or "percent-encode" in said
    assert "Zq" not in said
    assert "qZ" not in said
    assert parse(form.format(f"me:{quote(password, safe='')}")).options["password"] == password


ANYTHING = st.text(st.sampled_from("ab:@/?#[]%,&=.0196+\u2100\n é") | st.characters(), max_size=20)


@given(st.sampled_from([*FORMS, "http"]), ANYTHING)
def test_any_text_is_a_valid_target_or_misconfigured(scheme: str, rest: str) -> None:
    with contextlib.suppress(Misconfigured):
        parse(f"{scheme}://{rest}")


@given(st.sampled_from([*OPTIONS, "sentinel_password"]), ANYTHING)
def test_any_option_value_is_accepted_or_misconfigured(name: str, value: str) -> None:
    for scheme in ("rediss", "redis+sentinel"):
        with contextlib.suppress(Misconfigured):
            parse(f"{scheme}://h/m?{name}={quote(value, errors='surrogatepass')}")


def test_a_harmless_special_character_in_a_password_needs_no_encoding() -> None:
    assert parse("redis://:p@ss:word@h").options == {"password": "p@ss:word"}
