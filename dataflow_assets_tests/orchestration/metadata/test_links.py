"""What a page of the UI shows of names that senders chose."""

from datetime import date

import dagster as dg
import pytest

from dataflow_assets.core.formatting import code_span, escape_markdown
from dataflow_assets.orchestration.metadata.links import ingested_objects
from dataflow_assets.sources import find_source


def test_an_object_name_stays_code_whatever_it_holds() -> None:
    name = "landing/movies/2021-12-05/a`![x](http://evil.example/y.png)``<img src=x>.csv"
    found = ingested_objects(find_source("movies"), date(2021, 12, 5), [name], 0, "http://ui")
    landed = found["landed"]
    assert isinstance(landed, dg.MarkdownMetadataValue)
    assert landed.value == f"- ```{name}```"


@pytest.mark.parametrize(
    ("text", "code"),
    [("a", "`a`"), ("`", "`` ` ``"), ("a``b", "```a``b```"), ("a\nb\x1b", "`a b\\x1b`")],
)
def test_a_fence_is_longer_than_what_it_holds(text: str, code: str) -> None:
    assert code_span(text) == code


def test_a_cell_holds_no_markup() -> None:
    assert escape_markdown("![x](y)|<b>`c`*d*") == "!\\[x\\](y)\\|\\<b\\>\\`c\\`\\*d\\*"
