"""Lake and warehouse are a function of the last version of every object, in whatever order they were delivered."""

import shutil
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import Settings
from dataflow_assets_tests.loading import Landed, ask, summary, take_and_load

FIRST = date(2021, 12, 1)
DAYS = st.integers(0, 3)
REFUSED = "this is no file of ours\n"


def users(names: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["email,first_name,last_name", *(f"{user}@x.example,{name}," for user, name in names)]) + "\n"


def streams(sessions: Iterable[tuple[int, str, int]]) -> str:
    times = "2021-12-0{0}T10:00:00Z,2021-12-0{0}T11:00:00Z"
    lines = [f"Rust,{user}@x.example,{size},{times.format(1 + day)}" for day, user, size in sessions]
    return "\n".join(["movie_title,user_email,size_mb,start_at,end_at", *lines]) + "\n"


PEOPLE = st.sampled_from("abc")
DUMPS = st.dictionaries(PEOPLE, st.sampled_from(["", "Ann", "Eve"])).map(lambda known: users(known.items()))
SESSIONS = st.lists(st.tuples(DAYS, PEOPLE, st.integers(-1, 2)), max_size=4).map(streams)  # a negative size is rejected


def versions(source: str, texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Landed]]:
    """The versions of one object, of which each replaces the one before."""

    def landed(day: int, name: str, contents: list[str]) -> list[Landed]:
        return [Landed(source, FIRST + timedelta(days=day), name, text) for text in contents]

    contents = st.lists(st.one_of(texts, st.just(REFUSED)), min_size=1, max_size=3)
    return st.builds(landed, DAYS, st.sampled_from(["a.csv", "b.csv"]), contents)


OBJECTS = st.lists(
    st.one_of(versions("users", DUMPS), versions("streams", SESSIONS)),
    min_size=1,
    max_size=4,
    unique_by=lambda made: made[0].key,
)


def after(settings: Settings, files: Iterable[Landed]) -> dict[str, Any]:
    """What lake and warehouse hold after these deliveries, one by one."""
    for layer in ("landing", "lake"):
        shutil.rmtree(settings.home / layer, ignore_errors=True)
    tables = [f"warehouse.{name}" for name in ("streams", "users_current", "users_history")]
    records = [f"ledger.{name}" for name in ("event_days", "snapshots", "dumps", "deliveries")]
    ask(settings, f"TRUNCATE {', '.join([*tables, *records])}; SELECT")
    landing, path = Landing(open_storage(settings)), settings.home / "file"
    for file in files:
        path.write_text(file.text)
        landing.put(file.source, file.day, path, file.name)
        take_and_load(lambda _: None, settings, file.source, file.key)
    found: dict[str, Any] = summary(settings)
    # Of a day that has no row any more it is known that it had some once.
    found["ledger.event_days"] = ask(
        settings,
        "SELECT event_day, accepted, rows, superseded FROM ledger.event_days WHERE accepted > 0 ORDER BY event_day",
    )
    return found


def in_order(objects: Iterable[Sequence[Landed]]) -> list[Landed]:
    """The last versions, by delivery day and name."""
    return sorted((made[-1] for made in objects), key=lambda file: (file.day, file.key))


@hypothesis_settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(objects=OBJECTS, data=st.data())
def test_any_order_of_deliveries_ends_in_the_same_tables(
    settings: Settings, objects: list[list[Landed]], data: Any
) -> None:
    turns = data.draw(st.permutations([number for number, made in enumerate(objects) for _ in made]))
    left = [iter(made) for made in objects]
    assert after(settings, [next(left[number]) for number in turns]) == after(settings, in_order(objects))
