"""Collecting a file and the pages of an API from real HTTP webs, which answer well and badly."""

import gzip
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.collect import check_origin
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import HttpFile
from dataflow_assets_tests.collectors.builders import Platform, arriving
from dataflow_assets_tests.collectors.ftp_server import write_certificate
from dataflow_assets_tests.collectors.http_server import Answer, Asked, HttpServer, serve_http
from dataflow_assets_tests.collectors.tls_proxy import tls_in_front

CONTENT = bytes(range(256)) * 20_000
DATED = {"Last-Modified": "Sun, 05 Dec 2021 10:00:00 GMT"}


def export(web: HttpServer, **more: Any) -> Source:
    """Streams that are one file on the web."""
    return arriving(HttpFile(url=f"{web.url}/export/streams.csv?x=1", **more))


def served(etag: str, content: bytes = CONTENT) -> Answer:
    """The file, whole."""
    return Answer(content, headers={"ETag": etag, **DATED})


def test_a_file_lands_on_the_day_of_its_version_and_once(web: HttpServer, platform: Platform) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(status=304) if asked.headers.get("If-None-Match") == '"1"' else served('"1"')

    web.answer, source = answer, export(web)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-05/streams.csv": CONTENT}
    assert platform.new(source) == []
    web.answer = lambda _: Answer(b"new", headers={"ETag": '"2"', "Last-Modified": "Mon, 06 Dec 2021 10:00:00 GMT"})
    platform.collect(source)
    assert platform.landed(source)["2021-12-06/streams.csv"] == b"new"


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("Sun, 05 Dec 2021 23:30:00 -0000", "2021-12-05"),
        ("Sun, 05 Dec 2021 23:30:00", "2021-12-05"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "today"),
        ("yesterday", "today"),
    ],
)
def test_a_time_without_a_zone_is_in_utc_and_one_that_is_none_is_left_out(
    web: HttpServer, platform: Platform, said: str, day: str
) -> None:
    web.answer = lambda _: Answer(b"x", headers={"Last-Modified": said})
    source = export(web)
    assert platform.collect(source).error is None
    today = datetime.now(UTC).date().isoformat()
    assert list(platform.landed(source)) == [f"{day.replace('today', today)}/streams.csv"]


def test_a_file_that_is_cut_is_resumed_where_it_is_the_same(web: HttpServer, platform: Platform) -> None:
    whole = iter([True])

    def answer(asked: Asked) -> Answer:
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("Range", ""))
        if wanted and asked.headers.get("If-Range") == '"1"':
            start = int(wanted[1])
            rest = CONTENT[start:]
            said = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            return Answer(rest, 206, {"ETag": '"1"', "Content-Range": said}, sent=2_000_000)
        return served('"1"') if next(whole, False) else replace(served('"1"'), sent=1_000_000)

    web.answer, source = answer, export(web)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-05/streams.csv": CONTENT}
    assert [asked.headers.get("Range") for asked in web.asked] == [
        None,
        None,
        "bytes=1000000-",
        "bytes=3000000-",
        "bytes=5000000-",
    ]


def test_a_file_that_changes_while_it_is_fetched_is_begun_again(web: HttpServer, platform: Platform) -> None:
    answers = iter([served('"1"'), replace(served('"1"'), sent=1_000_000), served('"2"', b"another one")])
    web.answer, source = lambda _: next(answers), export(web)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-05/streams.csv": b"another one"}


@pytest.mark.parametrize("chunked", [True, False])
def test_a_file_that_is_always_cut_never_lands(web: HttpServer, platform: Platform, chunked: bool) -> None:
    web.answer = lambda _: Answer(CONTENT, headers=DATED, sent=1000, chunked=chunked)
    source = export(web)
    assert isinstance(platform.collect(source).error, UnreachableError)
    assert platform.landed(source) == {}


def test_without_a_version_another_content_is_what_is_new(web: HttpServer, platform: Platform) -> None:
    web.answer, source = lambda _: Answer(b"a"), export(web)
    assert [len(platform.collect(source).landed) for _ in range(2)] == [1, 0]
    web.answer = lambda _: Answer(b"b")
    assert len(platform.collect(source).landed) == 1


def test_the_token_is_told_to_no_other_host(
    web: HttpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT_TOKEN", "s3cret")
    source = export(web, token="EXPORT_TOKEN", header="X-Api-Key", prefix="", headers={"X-Tenant": "us"})
    with serve_http() as other:
        web.answer = lambda _: Answer(status=302, headers={"Location": f"{other.url}/there"})
        other.answer = lambda _: served('"1"')
        assert platform.collect(source).error is None
        assert {asked.headers.get("X-Api-Key") for asked in web.asked} == {"s3cret"}
        assert {asked.headers.get("X-Api-Key") for asked in other.asked} == {None}
    assert platform.landed(source) == {"2021-12-05/streams.csv": CONTENT}


def test_what_passes_is_waited_for_and_what_does_not_is_told(web: HttpServer, platform: Platform) -> None:
    source = export(web)
    answers = iter([Answer(status=429, headers={"Retry-After": "0"}), Answer(status=503), served('"1"')])
    web.answer = lambda _: next(answers, served('"1"'))
    assert len(platform.collect(source).landed) == 1
    for status, said in {401: "the token is missing", 404: "correct its url", 500: "an error (500)"}.items():
        web.answer = lambda _, status=status: Answer(status=status)  # type: ignore[misc]
        assert said in str(platform.collect(source).error)
    web.answer = lambda _: Answer(status=429, headers={"Retry-After": "9999"})
    assert isinstance(platform.collect(source).error, UnreachableError)


def test_a_token_that_cannot_be_sent_is_in_no_error(
    web: HttpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT_TOKEN", "s3cr3t-t0ken\n")
    source = export(web, token="EXPORT_TOKEN")
    error = platform.collect(source).error
    assert "cannot be reached" in str(error)
    with pytest.raises(UnreachableError) as found:
        platform.new(source)
    with pytest.raises(UnreachableError) as checked:
        check_origin(source, "UTC")
    assert not [said for said in (error, found.value, checked.value) if "s3cr3t" in str(said)]


def test_who_cannot_be_reached_is_told_and_what_the_address_asks_for_is_not(
    web: HttpServer, platform: Platform
) -> None:
    source = arriving(HttpFile(url="http://127.0.0.1:1/streams.csv?key=s3cr3t"))
    error = platform.collect(source).error
    assert type(error) is UnreachableError
    assert str(error) == "http://127.0.0.1:1/streams.csv cannot be reached ([Errno 111] Connection refused)."
    source = arriving(HttpFile(url="http://no-such-host.invalid/streams.csv?key=s3cr3t"))
    error = platform.collect(source).error
    assert type(error) is CollectError
    assert str(error).startswith("http://no-such-host.invalid/streams.csv cannot be reached: there is no such host (")
    web.answer = lambda _: Answer(b"half", sent=2)
    error = platform.collect(export(web)).error
    assert type(error) is UnreachableError
    assert "x=1" not in str(error)


def test_a_file_of_which_only_the_time_is_told_is_asked_for_by_it(web: HttpServer, platform: Platform) -> None:
    web.answer, source = lambda _: Answer(b"a", headers=DATED), export(web)
    platform.collect(source)
    web.answer = lambda asked: Answer(status=304 if asked.headers.get("If-Modified-Since") else 500)
    assert platform.new(source) == []


def test_a_file_of_which_no_rest_is_left_is_begun_again(web: HttpServer, platform: Platform) -> None:
    answers = iter([served('"1"'), replace(served('"1"'), sent=1_000_000), Answer(status=416), served('"1"', b"whole")])
    web.answer, source = lambda _: next(answers), export(web)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-05/streams.csv": b"whole"}


@pytest.mark.parametrize(
    ("name", "body", "landed"),
    [
        ("streams.csv", gzip.compress(CONTENT), CONTENT),
        ("streams.csv.gz", gzip.compress(CONTENT, mtime=0), gzip.compress(CONTENT, mtime=0)),
        ("streams.csv", gzip.compress(CONTENT)[:-9], None),
        ("streams.csv", CONTENT, None),
    ],
    ids=["for the way", "a file of its own", "cut before it was sent", "not compressed"],
)
def test_what_a_server_compresses_unasked_lands_as_it_is_named(
    web: HttpServer, platform: Platform, name: str, body: bytes, landed: bytes | None
) -> None:
    web.answer = lambda _: Answer(body, headers={"ETag": '"1"', "Content-Encoding": "gzip", **DATED})
    source = export(web, name=name)
    error = platform.collect(source).error
    assert platform.landed(source) == ({f"2021-12-05/{name}": landed} if landed else {})
    assert (error is None) == (landed is not None)
    assert landed or f"{name} is not compressed as its server says" in str(error)


def test_no_host_is_offered_another_encoding(web: HttpServer, platform: Platform) -> None:
    source = export(web)
    with serve_http() as other:
        web.answer = lambda _: Answer(status=302, headers={"Location": f"{other.url}/there"})
        other.answer = lambda _: served('"1"')
        assert platform.collect(source).error is None
        assert {asked.headers["Accept-Encoding"] for asked in [*web.asked, *other.asked]} == {"identity"}


@pytest.mark.parametrize("encoding", ["utf-8", "none", "binary", "8bit", "aws-chunked", "identity, UTF-8", ","])
def test_an_encoding_that_is_no_compression_means_nothing(web: HttpServer, platform: Platform, encoding: str) -> None:
    web.answer = lambda _: Answer(CONTENT, headers={"ETag": '"1"', "Content-Encoding": encoding, **DATED})
    source = export(web)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-05/streams.csv": CONTENT}
    packed = Answer(gzip.compress(CONTENT), headers={"ETag": '"2"', "Content-Encoding": f"{encoding}, gzip", **DATED})
    web.answer, source = lambda _: packed, export(web, name="unpacked.csv")
    assert platform.collect(source).error is None
    assert platform.landed(source)["2021-12-05/unpacked.csv"] == CONTENT


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "compress", "gzip, br", "gzip, gzip", "utf-8, deflate"])
def test_a_file_in_an_encoding_that_is_not_undone_does_not_land(
    web: HttpServer, platform: Platform, encoding: str
) -> None:
    web.answer = lambda _: Answer(zlib.compress(CONTENT), headers={"ETag": '"1"', "Content-Encoding": encoding})
    error = platform.collect(source := export(web)).error
    assert type(error) is CollectError
    assert f"sends its file in the encoding '{encoding}', which nobody asked for." in str(error)
    assert platform.landed(source) == {}
    web.answer = lambda _: Answer(b"packed", headers={"ETag": '"1"', "Content-Encoding": encoding, **DATED})
    source = export(web, name="streams.csv.zst")
    platform.collect(source)
    assert platform.landed(source) == ({"2021-12-05/streams.csv.zst": b"packed"} if encoding == "zstd" else {})


def test_an_answer_without_a_file_is_told(web: HttpServer, platform: Platform) -> None:
    web.answer = lambda _: Answer(status=202)
    error = platform.collect(arriving(HttpFile(url=f"{web.url}/streams.csv"))).error
    assert isinstance(error, UnreachableError)
    assert str(error).endswith("/streams.csv has no file for now: it answers with 202.")


def test_a_length_that_is_told_twice_is_one(web: HttpServer, platform: Platform) -> None:
    source = arriving(HttpFile(url=f"{web.url}/streams.csv"))
    web.answer = lambda _: Answer(b"abc", headers={"Content-Length": "3"}, sent=3)
    assert platform.collect(source).error is None
    assert list(platform.landed(source).values()) == [b"abc"]


@pytest.mark.parametrize("there", ["http://[::1", "http://127.0.0.1:99999/x", "ftp://h/x?key=s3cret"])
def test_who_leads_to_no_address_is_told(web: HttpServer, platform: Platform, there: str) -> None:
    web.answer = lambda _: Answer(status=302, headers={"Location": there})
    error = platform.collect(arriving(HttpFile(url=f"{web.url}/streams.csv"))).error
    assert type(error) is CollectError
    assert str(error).endswith("/streams.csv leads to what is no address of HTTP; ask who runs it.")
    assert len(web.asked) == 1


@pytest.mark.parametrize("days", [1, 0], ids=["of nobody", "expired"])
def test_a_server_whose_certificate_does_not_hold_gets_no_token(
    web: HttpServer, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setenv("EXPORT_TOKEN", "s3cret")
    with tls_in_front(urlsplit(web.url).port or 0, write_certificate(tmp_path, days=days)) as port:
        source = arriving(HttpFile(url=f"https://127.0.0.1:{port}/streams.csv", token="EXPORT_TOKEN"))
        error = platform.collect(source).error
    assert type(error) is CollectError
    assert "has a wrong certificate" in str(error)
    assert web.asked == []
