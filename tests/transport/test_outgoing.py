"""No request leaves its connection's origin or carries what only the transport may set."""

import pytest
from yarl import URL

from syncd.model.errors import BrokenInvariant
from syncd.transport.outgoing import Outgoing, base_of, fixed_headers, prepare
from syncd.transport.request import Request

BASE = base_of("https://api.vendor.example/v2/")


def prepared(path: str = "/x", method: str = "GET", **more: object) -> Outgoing:
    request = Request(operation="op", method=method, path=path, **more)  # type: ignore[arg-type]
    return prepare(request, base=BASE, headers={}, boundary="b")


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "//evil.example/x",
        "https://evil.example/x",
        "@evil.example/x",
        ":81/x",
        "\\evil.example",
        "/\\evil.example",
        "/a/../../x",
        "/a/%2e%2E/x",
        "/./x",
        "/x?y=1",
        "/x#y",
        "/a b",
        "/a\r\nHost: evil",
        "/ø",
        "/\x00",
    ],
)
def test_a_path_that_is_not_a_plain_path_is_a_bug(path: str) -> None:
    with pytest.raises(BrokenInvariant):
        prepared(path)


@pytest.mark.parametrize(
    "path", ["", "/", "/a%2Fb", "/a/...", "/.well-known/x", "/a%40b:c", "/a//b"]
)
def test_a_path_stays_below_the_base_as_it_was_given(path: str) -> None:
    assert str(prepared(path).url) == f"https://api.vendor.example/v2{path}"


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "Host", "Content-Length", "Transfer-Encoding"]
)
def test_the_transports_own_headers_cannot_be_set(name: str) -> None:
    with pytest.raises(BrokenInvariant):
        prepared(headers={name: "x"})
    with pytest.raises(BrokenInvariant):
        fixed_headers({name: "x"}, accept="*/*")


def test_a_header_is_one_line() -> None:
    with pytest.raises(BrokenInvariant):
        prepared(headers={"X-User-Name": "Ola\r\nEvil: 1"})


def test_a_requests_header_replaces_the_connections() -> None:
    request = Request(operation="op", method="GET", path="/", headers={"x-a": "2"})
    fixed = fixed_headers({"X-A": "1", "user-agent": "mine"}, accept="*/*")
    out = prepare(request, base=BASE, headers=fixed, boundary="b")
    assert out.headers == {"Accept": "*/*", "user-agent": "mine", "x-a": "2"}
    assert fixed["X-A"] == "1"


def test_a_request_has_one_body_at_most() -> None:
    with pytest.raises(BrokenInvariant):
        prepared(method="POST", json={}, form={"a": "b"})


def test_an_empty_object_is_a_body() -> None:
    assert prepared(method="PUT", json={}).body == b"{}"
    assert prepared(method="PUT").body is None


def test_a_conditional_request_is_known_by_its_headers() -> None:
    assert prepared(headers={"if-match": '"1"'}).is_conditional
    assert not prepared().is_conditional


def test_a_redirect_keeps_the_headers_that_still_apply() -> None:
    out = prepared(method="POST", json={}, headers={"X-A": "1"})
    there = URL("https://api.vendor.example/y")
    assert "Content-Type" not in out.redirected(there, 303).headers
    assert out.redirected(there, 308).body == b"{}"


@pytest.mark.parametrize(
    "url",
    ["", "api.example", "/v2", "ftp://a.example", "https://u:p@a.example", "https://a.example?x=1"],
)
def test_a_base_url_is_absolute_and_plain(url: str) -> None:
    with pytest.raises(BrokenInvariant):
        base_of(url)
