"""Collecting the pages of an API from a real HTTP web: all of them, or nothing."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.collectors import rest
from dataflow_assets.collectors.rest import pages
from dataflow_assets.collectors.rest.pages import Page, PageError, next_link
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.origins import Cursor, LinkHeader, Offset, PageNumber, Paginator, RestApi
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.ftp_server import write_certificate
from dataflow_assets_tests.collectors.http_server import Answer, Asked, HttpServer
from dataflow_assets_tests.collectors.orders import orders_from
from dataflow_assets_tests.collectors.tls_proxy import tls_in_front

PAGES = [[f'{{"id": {number},\n "price": {number}.10}}' for number in (page, page + 1)] for page in (0, 2, 4)]
LANDED = [one.replace("\n", " ") for page in PAGES for one in page]


def source_of(web: HttpServer, paginator: Paginator, **more: Any) -> Events:
    """Orders that an API of the web gives."""
    return orders_from(RestApi(url=f"{web.url}/orders?sort=id", paginator=paginator, records="$.data", **more))


def page_of(number: int, more: str = "") -> Answer:
    """A page of the API; beyond the last, one without records."""
    records = ",".join(PAGES[number]) if number < len(PAGES) else ""
    return Answer(f'{{"data": [{records}]{more}}}'.encode())


def by_link(web: HttpServer) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        number = int(asked.parameters.get("at", "0"))
        there = {"Link": f'</orders?sort=id&at={number + 1}>; rel="next"'} if number < len(PAGES) - 1 else {}
        return Answer(page_of(number).body, headers=there)

    return answer


def by_cursor(asked: Asked) -> Answer:
    number = int(asked.parameters.get("after", "0"))
    return page_of(number, f', "next": {number + 1 if number < len(PAGES) - 1 else "null"}')


def by_number(asked: Asked) -> Answer:
    return page_of(int(asked.parameters["page"]) - 1)


def by_offset(asked: Asked) -> Answer:
    return page_of(int(asked.parameters["offset"]) // 2)


@pytest.mark.parametrize(
    ("paginator", "answer"),
    [
        (LinkHeader(), by_link(HttpServer())),
        (Cursor(path="$.next", parameter="after"), by_cursor),
        (PageNumber(), by_number),
        (Offset(), by_offset),
    ],
    ids=["link", "cursor", "number", "offset"],
)
def test_all_pages_land_as_one_object_once_a_day(
    web: HttpServer, platform: Platform, paginator: Paginator, answer: Callable[[Asked], Answer]
) -> None:
    web.answer, source = answer, source_of(web, paginator)
    report = platform.collect(source)
    assert (report.error, report.failed) == (None, {})
    (content,) = platform.landed(source).values()
    assert content.decode().splitlines() == LANDED
    assert all(asked.parameters["sort"] == "id" for asked in web.asked)
    assert platform.new(source) == []


@pytest.mark.parametrize(
    "header",
    [
        '<{}>; rel="NEXT"',
        "<{}>; Rel=next",
        '<{}>; rel="next prefetch"',
        "<{}>; rel='next'",
        '<{}>; rel="next"; results="true"',
        '<{}>; as; rel="next"',
        '<{}> ; title="a; rel=prev, <b>" ; rel = "next"',
        "</orders?at=0>;rel=first,<{}>;rel=next",
    ],
)
def test_a_next_page_is_found_however_the_header_is_written(web: HttpServer, platform: Platform, header: str) -> None:
    link = {"Link": header.format("/orders?at=1&fields=a;b,c;d")}
    web.answer = lambda asked: page_of(1) if asked.parameters.get("at") else Answer(page_of(0).body, headers=link)
    source = source_of(web, LinkHeader())
    assert platform.collect(source).error is None
    (content,) = platform.landed(source).values()
    assert content.decode().splitlines() == LANDED[:4]


@pytest.mark.parametrize(
    ("cursor", "asked"),
    [
        ('"/9j/4AA="', ("/orders", "/9j/4AA=")),
        ('"/orders?after=1"', ("/orders", "1")),
        ('"/other?after=1"', ("/other", "1")),
        ('"?after=1"', ("/orders", "1")),
        ("7", ("/orders", "7")),
        ('["a", 1]', ("/orders", '["a", 1]')),
    ],
)
def test_a_cursor_is_told_from_an_address(
    web: HttpServer, platform: Platform, cursor: str, asked: tuple[str, str]
) -> None:
    web.answer = lambda asked: page_of(1) if asked.parameters.get("after") else page_of(0, f', "next": {cursor}')
    platform.collect(source_of(web, Cursor(path="$.next", parameter="after")))
    assert (web.asked[-1].path, web.asked[-1].parameters.get("after")) == asked


def test_addresses_of_pages_may_be_paths_beside_that_of_the_page_before(web: HttpServer, platform: Platform) -> None:
    pages = {"/orders": "/orders/c-2", "/orders/c-2": "/orders/c-4", "/orders/c-4": None}
    web.answer = lambda asked: page_of(0, f', "next": {json.dumps(pages[asked.path])}')
    assert platform.collect(source_of(web, Cursor(path="$.next", parameter="after"))).error is None
    assert [asked.path for asked in web.asked] == list(pages)


def test_a_next_page_is_asked_by_tls_where_the_first_is_and_none_of_another_host_without(
    web: HttpServer, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")
    certificate = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with tls_in_front(urlsplit(web.url).port or 0, certificate) as port:
        origin = RestApi(
            url=f"https://127.0.0.1:{port}/orders", paginator=LinkHeader(), records="$.data", token="SHOP_TOKEN"
        )
        source = orders_from(origin)
        for there, error in (
            ("http://localhost/orders?at=1", "leads to an address without TLS"),
            (f"http://127.0.0.1:{port}/orders?at=1", "None"),
        ):
            first = Answer(page_of(0).body, headers={"Link": f"<{there}>; rel=next"})
            web.answer = lambda asked, first=first: page_of(1) if asked.parameters else first  # type: ignore[misc]
            assert error in str(platform.collect(source).error)
    assert [asked.headers["Authorization"] for asked in web.asked] == ["Bearer s3cret"] * 3
    (content,) = platform.landed(source).values()
    assert content.decode().splitlines() == LANDED[:4]


def test_a_header_of_other_relations_names_no_next_page() -> None:
    for header in ("", "</a>", '</a>; rel="prev"; rel="next"', '</a>; title="rel=next"', "</a>; rel=nextcloud", "next"):
        assert next_link(header) is None
    assert next_link("<" * 100_000 + ";" * 100_000) is None


def test_records_that_stay_the_same_are_a_snapshot_of_each_day(
    web: HttpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answer, source = by_number, source_of(web, PageNumber())
    for day in (date(2021, 12, 5), date(2021, 12, 6)):
        monkeypatch.setattr(rest, "day_of", lambda *_, day=day: day)
        assert [one.delivery.day for one in platform.collect(source).landed] == [day]
        assert platform.collect(source).landed == []
    assert list(platform.landed(source)) == ["2021-12-05/orders.jsonl", "2021-12-06/orders.jsonl"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (Answer(status=500), "answers with an error (500)"),
        (Answer(b'{"error": "quota", "data": []}'), 'on page 2: it says "quota"'),
        (Answer(b'{"message": "try later"}'), "on page 2: it has nothing at $.data"),
        (Answer(b'{"data": {}}'), "on page 2: it has no array at $.data"),
        (Answer(b"<html>"), "on page 2: it is no JSON"),
        (Answer(b'{"data": []}', sent=5), "broke off"),
    ],
)
def test_where_one_page_cannot_be_had_nothing_lands(
    web: HttpServer, platform: Platform, second: Answer, said: str
) -> None:
    web.answer = lambda asked: page_of(0) if asked.parameters["page"] == "1" else second
    source = source_of(web, PageNumber())
    assert said in str(platform.collect(source).error)
    assert platform.landed(source) == {}


def test_pages_without_an_end_are_told(web: HttpServer, platform: Platform) -> None:
    web.answer = lambda _: page_of(0, ', "next": "same"')
    assert "it has no end" in str(platform.collect(source_of(web, Cursor(path="$.next"))).error)
    web.answer = lambda _: page_of(0)
    source = source_of(web, PageNumber(), most_pages=20)
    assert "more than 20 pages" in str(platform.collect(source).error)
    assert platform.landed(source) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(JSON), st.dictionaries(st.text(), JSON), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_records_are_what_is_in_the_array(
    records: list[Any], around: dict[str, Any], indent: Any, ascii_: bool
) -> None:
    content = {
        **{name: value for name, value in around.items() if name not in ("error", "errors")},
        "a": {"b": records},
    }
    page = Page.of(json.dumps(content, indent=indent, ensure_ascii=ascii_), "$.a.b")
    assert [json.loads(one) for one in page.records] == records
    assert not any("\n" in one for one in page.records)


def test_a_page_that_is_the_array_itself_is_one() -> None:
    assert Page.of(" [1.10, {}] ", "$").records == ["1.10", "{}"]
    with pytest.raises(PageError):
        Page.of("[NaN]", "$")


def test_a_page_of_millions_of_tiny_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MOST_VALUES", 10)
    assert len(Page.of("[{},{},{},{}]", "$").records) == 4
    with pytest.raises(PageError, match="it holds more than 10 values; ask for smaller pages"):
        Page.of("[{},{},{},{},{},{}]", "$")
