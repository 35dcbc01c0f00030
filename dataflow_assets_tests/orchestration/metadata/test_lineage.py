"""The column lineage and the links that the definitions carry."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.definitions import build_definitions
from dataflow_assets.settings import load_settings

Metadata = Mapping[str, Mapping[str, Any]]


@pytest.fixture
def metadata(clean_environment: pytest.MonkeyPatch) -> Metadata:
    """What the definition of each asset says, by its key."""
    clean_environment.setenv("DATAFLOW_UI_URL", "http://dagster.example/")
    specs = build_definitions(load_settings()).resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec.metadata for spec in specs}


def made_from(metadata: Metadata, asset: str, column: str) -> list[str]:
    deps = metadata[asset]["dagster/column_lineage"].deps_by_column[column]
    return [f"{dep.asset_key.to_user_string()} {dep.column_name}" for dep in deps]


def test_every_column_of_an_asset_that_runs_has_a_lineage_to_columns_that_exist(metadata: Metadata) -> None:
    columns = {
        asset: {column.name for column in said["dagster/column_schema"].columns}
        for asset, said in metadata.items()
        if "dagster/column_lineage" in said
    }
    for asset, names in columns.items():
        lineage = metadata[asset]["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineage)
        added = {"id", "delivery", "position", "object", "delivery_day", "event_date", "event_day"}
        added |= {"first_seen", "last_seen", "missing_since"}  # by the platform
        assert names - added <= lineage.deps_by_column.keys() <= names, asset
        for deps in lineage.deps_by_column.values():
            assert deps, asset
            for dep in deps:
                above = dep.asset_key.to_user_string()
                assert above.startswith("landing/") or dep.column_name in columns[above], (asset, above)


def test_a_column_leads_back_to_the_file(metadata: Metadata) -> None:
    assert made_from(metadata, "published/median_session_size", "median_session_gigabytes") == [
        "analytics/median_session_size median_session_gigabytes"
    ]
    assert made_from(metadata, "analytics/median_session_size", "median_session_gigabytes") == [
        "warehouse/streams size_mb",
        "warehouse/streams start_at",
    ]
    assert made_from(metadata, "warehouse/streams", "size_mb") == ["lake/streams size_mb"]
    assert made_from(metadata, "lake/streams", "size_mb") == ["landing/streams size_mb"]


def test_the_description_of_a_column_tells_it_too(metadata: Metadata) -> None:
    columns = {column.name: column for column in metadata["analytics/engaged_users"]["dagster/column_schema"].columns}
    assert columns["users"].description == (
        "Users with a session of at least half of a movie. "
        "From warehouse/movies (duration_mins, title), warehouse/streams (end_at, movie_title, start_at, user_email)."
    )


def test_columns_have_the_types_of_their_store_and_those_of_the_platform_are_among_them(metadata: Metadata) -> None:
    assert types_of(metadata, "warehouse/streams") == {
        "id": "uuid",
        "event_day": "date",
        "movie_title": "varchar",
        "user_email": "varchar",
        "size_mb": "double precision",
        "start_at": "timestamp with time zone",
        "end_at": "timestamp with time zone",
        "delivery": "bigint",
        "position": "bigint",
    }
    assert types_of(metadata, "lake/streams")["start_at"] == "timestamp"
    assert types_of(metadata, "lake/streams")["position"] == "long"
    assert types_of(metadata, "warehouse/users").keys() >= {"first_seen", "last_seen", "missing_since"}


def test_every_column_says_what_it_means(metadata: Metadata) -> None:
    for asset, said in metadata.items():
        if "dagster/column_schema" in said:
            mute = [column.name for column in said["dagster/column_schema"].columns if not column.description]
            assert mute == [], asset


def types_of(metadata: Metadata, asset: str) -> dict[str, str]:
    return {column.name: column.type for column in metadata[asset]["dagster/column_schema"].columns}


def test_a_column_of_json_leads_back_to_its_path(metadata: Metadata) -> None:
    assert made_from(metadata, "lake/books", "title") == ["landing/books $.name"]
    assert made_from(metadata, "lake/reviews", "movie_title") == ["landing/reviews $.movies[*].title"]


def test_an_asset_says_where_to_look_next(metadata: Metadata) -> None:
    assert metadata["landing/users"]["deliveries"].value == "`dataflow deliveries --source users`"
    assert "(http://dagster.example/assets/lake/rejects)" in metadata["lake/users"]["rejects"].value
