from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.monitor.request import HEAD_BYTES, Refused, Request, Response, head_end, read_request


def refusal(head: bytes) -> Response:
    with pytest.raises(Refused) as refused:
        read_request(head)
    return refused.value.response


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", Request("GET", "/")),
        (b"HEAD /live?x=1 HTTP/1.0\n\n", Request("HEAD", "/live")),
        (b"GET http://host:1/ready HTTP/1.1\r\n\r\n", Request("GET", "/ready")),
        (b"GET http://host HTTP/1.1\r\n\r\n", Request("GET", "/")),
        (b"GET / HTTP/1.1\r\nACCEPT:a\r\naccept: b \r\n\r\n", Request("GET", "/", "a, b")),
        (b"GET / HTTP/1.1\r\nCache-Control: no-cache\r\n\r\n", Request("GET", "/", fresh=True)),
        (b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Request("GET", "/")),
        (b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", Request("GET", "/", body=True)),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Request("GET", "/", body=True)),
    ],
)
def test_a_request_is_parsed(head: bytes, request_: Request) -> None:
    assert read_request(head) == request_


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 405),
        (b"get / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"BREW / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/" + b"9" * 5000 + b".1\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTX/1.1\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"G\xffT / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname : value\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
    ],
)
def test_invalid_requests_are_refused(head: bytes, status: int) -> None:
    response = refusal(head)
    assert response.status == status
    assert response.body == f"{HTTPStatus(status).phrase}\n".encode()
    assert (response.headers == {"Allow": "GET, HEAD"}) == (status == 405)


@given(st.binary(max_size=80), st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"GET ", b"X-Marker: "]))
def test_any_bytes_are_a_request_or_refused_with_a_fixed_response(rest: bytes, start: bytes) -> None:
    try:
        request = read_request(start + rest)
    except Refused as refused:
        response = refused.response
        assert Refused(response.status, **response.headers).response == response
    else:
        assert request.method in {"GET", "HEAD"}


def test_a_head_ends_at_an_empty_line_and_is_not_longer_than_its_limit() -> None:
    assert head_end(b"GET / HTTP/1.1\r\nA: b\r\n") == -1
    assert head_end(b"GET / HTTP/1.1\r\nA: b\r\n\r\nmore") == 24
    assert head_end(b"x" * (HEAD_BYTES - 4) + b"\r\n\r\n" + b"body" * HEAD_BYTES) == HEAD_BYTES
    for long in (b"x" * (HEAD_BYTES + 1), b"x" * HEAD_BYTES + b"\r\n\r\n"):
        with pytest.raises(Refused) as refused:
            head_end(long)
        assert refused.value.response.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
