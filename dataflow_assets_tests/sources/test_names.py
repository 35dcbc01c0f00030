"""Names of sources, answers and columns: those that cannot be borne are refused where they are declared."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl
import pytest

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.base import Answer
from dataflow_assets.sources import Source, all_sources, movies, users
from dataflow_assets.sources.names import find_collisions, find_wrong_owners
from dataflow_assets_tests.warehouse.builders import PAYMENTS, SHOPS

LONGEST_SOURCE, LONGEST_ANSWER = "s" * 45, "a" * 54


class Counts(dy.Schema):
    day = dy.Date(primary_key=True)
    rows = dy.Int64()


def answer(name: str, schema: type[dy.Schema] = Counts) -> Answer:
    return Answer(
        name=name,
        description="Made up.",
        owner="team:tests",
        grain="day",
        schema=schema,
        reads=(),
        compute=lambda window: pl.LazyFrame(),
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Things", "use small letters"),
        ("1st", "use small letters"),
        ("_things", "use small letters"),
        ("things\n", "use small letters"),
        ("café", "use small letters"),
        ("rejects", "the lake has a table of that name"),
        ("class", "an answer cannot take an argument of that name"),
        ("window", "an answer cannot take an argument of that name"),
        ("users_current", "the name of a table that the platform makes"),
        ("streams_20211105", "the name of a table that the platform makes"),
        (LONGEST_SOURCE + "s", "it has 46 letters, and at most 45"),
    ],
)
@pytest.mark.parametrize("kind", [PAYMENTS, SHOPS], ids=["events", "snapshot"])
def test_a_source_that_cannot_bear_its_name_is_refused(kind: Source, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"a source cannot be named .*{reason}"):
        replace(kind, name=name)


@pytest.mark.parametrize("name", [LONGEST_SOURCE, "match", "type", "visits_2021", "deliveries", "s3"])
def test_any_other_name_may_be_borne(name: str) -> None:
    assert {replace(kind, name=name).name for kind in (PAYMENTS, SHOPS)} == {name}


@pytest.mark.parametrize(
    ("sources", "both", "name"),
    [
        ([SHOPS, replace(PAYMENTS, name="shops")], "shops and shops", "shops"),
        ([SHOPS, replace(PAYMENTS, name="shops_history")], "shops and shops_history", "shops_history"),
        ([replace(PAYMENTS, name="shops_history_pkey"), SHOPS], "shops_history_pkey and shops", "shops_history_pkey"),
        ([PAYMENTS, replace(SHOPS, name="payments_days")], "payments and payments_days", "payments_days"),
        ([SHOPS, replace(PAYMENTS, singular="shop")], "shops and payments", "shop"),
        ([SHOPS, replace(PAYMENTS, name="shop")], "shops and shop", "shop"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_two_sources_that_give_the_same_name_are_both_named(sources: Sequence[Source], both: str, name: str) -> None:
    assert list(find_collisions("sources", sources)) == [
        f"the sources {both} would both give something the name {name}; rename one of them"
    ]


def test_sources_whose_names_only_begin_alike_do_not_collide() -> None:
    sources = [
        PAYMENTS,
        SHOPS,
        replace(PAYMENTS, name="shops_days", singular="a"),
        replace(SHOPS, name="payments_history", singular="b"),
    ]
    assert list(find_collisions("sources", sources)) == []


def test_sources_that_collide_are_refused_when_they_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "SOURCE", replace(users.SOURCE, singular=movies.SOURCE.name))
    all_sources.cache_clear()
    with pytest.raises(ValueError, match="the sources movies and users would both give something the name movies"):
        all_sources()
    monkeypatch.undo()
    all_sources.cache_clear()
    assert users.SOURCE in all_sources()


@pytest.mark.parametrize("name", ["Counts", "my-answer", "", LONGEST_ANSWER + "a"])
def test_an_answer_that_cannot_bear_its_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="an answer cannot be named"):
        answer(name)


def test_an_answer_cannot_be_named_as_the_index_of_another() -> None:
    assert answer(LONGEST_ANSWER).name == LONGEST_ANSWER
    assert list(find_collisions("answers", [answer("counts"), answer("counts_by_day")])) == [
        "the answers counts and counts_by_day would both give something the name counts_by_day; rename one of them"
    ]
    assert list(find_collisions("answers", [answer("counts"), answer("counts")])) != []
    assert list(find_collisions("answers", all_answers())) == []


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("ctid", "PostgreSQL has a column 'ctid' itself"),
        ("XMIN", "PostgreSQL has a column 'XMIN' itself"),
        ("é" * 32, "has 64 bytes, of which PostgreSQL keeps 63"),
        ("a\0b", "PostgreSQL cannot name a column"),
    ],
)
def test_a_column_that_postgresql_cannot_name_is_refused(column: str, problem: str) -> None:
    columns: dict[str, Any] = {**SHOPS.schema.columns(), column: dy.Int64()}
    with pytest.raises(ValueError, match=problem):
        replace(SHOPS, schema=type("Odd", (dy.Schema,), columns))
    with pytest.raises(ValueError, match=problem):
        answer("counts", type("Odd", (dy.Schema,), {**Counts.columns(), column: dy.Int64()}))


@pytest.mark.parametrize("owner", ["", "data", "team:", "data team", "ann@localhost", "@example.org"])
def test_an_owner_whom_no_asset_can_have_is_told(owner: str) -> None:
    said = f"source shops: its owner is {owner!r}; write team:name or an address of e-mail"
    assert list(find_wrong_owners("source", [replace(SHOPS, owner=owner)])) == [said]
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.AssetSpec("shops", owners=[owner])


@pytest.mark.parametrize("owner", ["team:data", "team:data platform", "ann.b+c@example.org"])
def test_any_owner_whom_an_asset_can_have_is_taken(owner: str) -> None:
    assert not list(find_wrong_owners("source", [replace(SHOPS, owner=owner)]))
    assert dg.AssetSpec("shops", owners=[owner]).owners == [owner]
