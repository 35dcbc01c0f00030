"""What rows name in vain is kept, counted and shown: an evaluation for each day, a short note for each source."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.checks.references_known import CHECK
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, session, streams_csv

USERS = "email,first_name,last_name\nA@b.example,Ann,\n"
DELIVERED = "2021-12-31"


def note(platform: Platform, *deliveries: Delivery) -> list[str]:
    """What loading these deliveries warns of."""
    materializer = Materializer(platform.settings, lambda: platform.definitions, platform.instance, lambda _: None)
    materializer.materialize(deliveries)
    return materializer.warnings


def evaluated(platform: Platform, asset: str) -> list[tuple[str, bool, str, Mapping[str, Any]]]:
    """The evaluations of the asset's check in the newest run, in order: day, whether it passed, sentence, metrics."""
    run = platform.instance.get_runs(limit=1)[0]
    entries = platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.get_dagster_event().event_specific_data for entry in entries]
    return [
        (str(one.partition), one.passed, one.description or "", {name: v.value for name, v in one.metadata.items()})
        for one in found
        if isinstance(one, dg.AssetCheckEvaluation) and one.asset_key == key(asset) and one.check_name == CHECK.name
    ]


def load_movies_and_users(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust", "Heat"))
    platform.land("movies", "2021-12-02", movies_csv("Rust"))  # Heat is missing since, and known for ever
    platform.land("users", "2021-12-01", USERS)
    assert platform.run("lake/movies lake/users warehouse/movies warehouse/users", "2021-12-01", "2021-12-02").success


def test_sessions_of_unknown_movies_and_users_are_counted_for_each_day(platform: Platform) -> None:
    load_movies_and_users(platform)
    strange = [session(f"2021-12-03T{hour:02}:00", movie=f"Fog {hour:02}") for hour in range(12)]
    text = streams_csv(
        session("2021-12-01T10:00", movie="RUST", user="a@B.example"),
        session("2021-12-01T11:00", movie="heat"),
        *strange,
        session("2021-12-03T20:00", movie="Fog 00", user="guest@w"),
        session("2021-12-03T21:00", movie="Fog 00", user="guest@x"),
        session("2021-12-03T22:00", user="guest@x"),
    )
    platform.land("streams", DELIVERED, text)
    assert platform.run("lake/streams", DELIVERED).success
    assert platform.run("warehouse/streams", "2021-12-01", "2021-12-03").success
    nothing = {"unknown_movie_title": 0, "unknown_movie_title_names": []}
    nothing |= {"unknown_user_email": 0, "unknown_user_email_names": []}
    *passed, (day, is_passed, sentence, metrics) = evaluated(platform, "warehouse/streams")
    assert passed == [("2021-12-01", True, "", nothing), ("2021-12-02", True, "", nothing)]
    assert (day, is_passed) == ("2021-12-03", False)
    assert sentence.startswith(
        "streams of 2021-12-03. 14 rows name a movie_title unknown to movies: 'Fog 00', 'Fog 01', 'Fog 02', "
    )
    assert sentence.endswith(
        "'Fog 09' and 2 more. 3 rows name a user_email unknown to users: 'guest@w', 'guest@x'. They are kept."
    )
    assert (metrics["unknown_movie_title"], metrics["unknown_user_email"]) == (14, 3)
    assert metrics["unknown_user_email_names"] == ["guest@w", "guest@x"]
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(17,)]


def test_a_table_without_rows_is_told_of_once_and_nothing_counted_against_it(platform: Platform) -> None:
    platform.land("users", "2021-12-01", USERS)
    assert platform.run("lake/users warehouse/users", "2021-12-01").success
    sessions = streams_csv(session("2021-12-01T10:00", user="guest@x"), session("2021-12-02T10:00"))
    platform.land("streams", DELIVERED, sessions)
    assert platform.run("lake/streams", DELIVERED).success
    assert platform.run("warehouse/streams", "2021-12-01", "2021-12-02").success
    first, second = evaluated(platform, "warehouse/streams")
    said = "Nothing was loaded into movies yet, so nobody can tell what streams names in vain."
    assert first[:3] == ("2021-12-01", False, first[2])
    assert first[2].endswith("unknown to users: 'guest@x'. They are kept.")
    assert second[:3] == ("2021-12-02", False, said)
    assert first[3]["unknown_movie_title"] == 0
    changed = streams_csv(session("2021-12-01T10:00", user="guest@x", hours=2), session("2021-12-02T10:00"))
    [short, missing] = note(platform, platform.land("streams", DELIVERED, changed))
    assert short.startswith("streams: 1 row names a user_email unknown to users")
    assert missing == said


def test_a_review_of_an_unknown_book_is_counted_and_one_of_no_book_is_not(platform: Platform) -> None:
    def review(text: str, book: str | None) -> dict[str, Any]:
        books = [] if book is None else [{"metadata": {"title": book}}]
        return {"content": {"text": text}, "rating": {"rate": 1}, "movies": [{"title": "Rust"}], "books": books}

    books = json.dumps([{"name": "One"}])
    reviews = [review("a", "ONE"), review("b", "Two"), review("c", "Three"), review("d", "Two"), review("e", None)]
    deliveries = [
        platform.land("books", "2021-12-01", books, "books.json"),
        platform.land("reviews", "2021-12-01", json.dumps(reviews), "reviews.json"),
    ]
    told = [line for line in note(platform, *deliveries) if "absent and without values" not in line]
    assert told == [
        "reviews: 3 rows name a book_title unknown to books; they are kept, see the check references_known."
    ]
    platform.land("reviews", "2021-12-03", json.dumps([*reviews[:2], reviews[4]]), "reviews.json")
    assert platform.run("lake/reviews warehouse/reviews", "2021-12-02", "2021-12-03").success
    # The table as it stands, for each day of the run: what is missing from the newest dump counts no more.
    for day, is_passed, sentence, metrics in evaluated(platform, "warehouse/reviews"):
        said = f"reviews of {day}. 1 row names a book_title unknown to books: 'Two'. They are kept."
        assert (is_passed, sentence) == (False, said)
        assert metrics == {"unknown_book_title": 1, "unknown_book_title_names": ["Two"]}
    assert platform.query("SELECT count(*) FROM warehouse.reviews") == [(5,)]


def test_a_delivery_of_many_days_is_noted_in_few_lines(platform: Platform) -> None:
    load_movies_and_users(platform)
    days = [date(2021, 11, 1) + timedelta(days=2 * number) for number in range(5)]
    text = streams_csv(*(session(f"{day}T10:00", movie="Fog") for day in days))
    twice = [platform.land("streams", DELIVERED, text, name) for name in ("a.csv", "b.csv")]
    assert note(platform, *twice) == [
        *(f"streams of {day}: 1 of its 2 rows have the key of another row; the latest counts." for day in days[:3]),
        "The check few_duplicates of warehouse/streams warns of 2 partitions more.",
        "streams: 5 rows name a movie_title unknown to movies; they are kept, see the check references_known.",
    ]
    known = platform.land("streams", "2021-12-30", streams_csv(session("2021-12-01T10:00")))
    assert note(platform, known) == []


def test_the_check_warns_and_blocks_nothing(platform: Platform) -> None:
    assets = [asset for asset in platform.definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    specs = [spec for asset in assets for spec in asset.check_specs if spec.name == CHECK.name]
    assert {spec.asset_key.to_user_string() for spec in specs} == {"warehouse/reviews", "warehouse/streams"}
    assert not any(spec.blocking for spec in specs)
