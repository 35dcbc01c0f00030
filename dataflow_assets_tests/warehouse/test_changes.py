"""Changes: the latest values of every key, the history, and the deletes, whatever was delivered in which order."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.validation.validate import validate
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.postgres.views import views_aside
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Reference
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.formats import Csv
from dataflow_assets.warehouse.changes import load as changes_load
from dataflow_assets.warehouse.changes import load_changes
from dataflow_assets.warehouse.changes.derive import derive_current, derive_history, order_changes
from dataflow_assets.warehouse.provenance import Origin, explain, explain_newest
from dataflow_assets.warehouse.references import find_unknown_names
from dataflow_assets.warehouse.scan import open_table, scan_source
from dataflow_assets.warehouse.snapshots import SnapshotLoad
from dataflow_assets.warehouse.staleness import find_stale_days
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.warehouse.builders import DAY, ORIGIN, ask, delivery_id

VERSIONS = itertools.count(1)


class Accounts(dy.Schema):
    number = dy.Int64()
    name = dy.String(nullable=True)
    code = dy.Enum(["I", "U", "D"])
    turn = dy.Int64()


BY_DELIVERY = Changes(
    name="accounts",
    singular="account",
    description="Made up.",
    owner="team:tests",
    schema=Accounts,
    reader=Csv(),
    key=("number",),
    deletes=pl.col("code") == "D",
    full_dumps="*full*",
)
BY_TURN = replace(BY_DELIVERY, name="numbered", singular="one_numbered", ordered_by="turn")


class Named(dy.Schema):
    number = dy.Int64()
    name = dy.String(min_length=2)
    code = dy.Enum(["I", "U", "D"])
    turn = dy.Int64()


NAMED = replace(BY_DELIVERY, name="named", singular="one_named", schema=Named)
SOURCES = (BY_DELIVERY, BY_TURN)

LACKING = object()
Change = tuple[int, str | None, str, int]  # number, name, code, turn


@dataclass(frozen=True)
class File:
    """An object: the days after the first on which it was delivered, its name, its changes; or it `lacks` the names."""

    day: int
    name: str
    rows: tuple[Change, ...]
    lacks: bool = False

    @property
    def delivered(self) -> date:
        return DAY + timedelta(days=self.day)

    @property
    def changes(self) -> list[Any]:
        """The rows; a name that is not there is no name, and no text either."""
        return [(number, LACKING if self.lacks else name, *row) for number, name, *row in self.rows]

    def key(self, source: Changes) -> str:
        return f"landing/{source.name}/{self.delivered}/{self.name}"

    def delivery(self, source: Changes) -> int:
        return delivery_id(source.name, self.delivered, self.name)


def missing(source: Changes, files: Iterable[File]) -> dict[int, frozenset[str]]:
    """What the files lack, as the lake says it."""
    return {file.delivery(source): frozenset({"name"}) for file in files if file.lacks}


def lake(source: Changes, files: Iterable[File]) -> pl.DataFrame:
    """The rows of the lake that files give."""
    rows = [
        (number, None if file.lacks else name, *row, position, file.key(source), file.delivered, file.delivery(source))
        for file in files
        for position, (number, name, *row) in enumerate(file.rows)
    ]
    schema = {**source.schema.create_empty().schema, "code": pl.String, **ORIGIN}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the tables and views of the sources."""
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.begin() as connection, views_aside(connection):
        build_metadata([*SOURCES, NAMED], {}).create_all(connection)
    return database_url


def load(
    url: str, source: Changes, *files: File, version: int | None = None, before: Iterable[File] | None = None
) -> SnapshotLoad:
    """Load what files give; told which files there were before, no other keys than those that differ are derived."""

    def changed_rows(_: int) -> pl.LazyFrame:
        return lake(source, set(files) ^ set(before or ())).select("number", "object").lazy()

    rows = lake(source, files).lazy()
    with connect(url) as connection:
        number = next(VERSIONS) if version is None else version
        told = None if before is None else changed_rows
        return load_changes(connection, source, rows, number, missing(source, files), told)


def current(url: str, source: Changes = BY_DELIVERY) -> list[tuple[Any, ...]]:
    return ask(url, f"SELECT number, name, deleted_at FROM warehouse.{source.name} ORDER BY number")


def history(url: str, source: Changes = BY_DELIVERY) -> list[tuple[Any, ...]]:
    columns = "number, name, valid_from, valid_to"
    return ask(url, f"SELECT {columns} FROM warehouse.{source.name}_history ORDER BY number, valid_from")


D0, D1, D2, D3 = (DAY + timedelta(days=number) for number in range(4))
FIRST = File(0, "a.csv", ((1, "Ann", "I", 1), (2, "Bob", "I", 2)))
SECOND = File(1, "a.csv", ((1, "Anne", "U", 3), (2, None, "D", 4)))
THIRD = File(2, "a.csv", ((2, "Bob", "I", 5),))


def test_inserts_updates_and_deletes_make_both_tables(url: str) -> None:
    assert load(url, BY_DELIVERY, FIRST, SECOND) == SnapshotLoad(keys=2, runs=3, changed=5)
    assert current(url) == [(1, "Anne", None), (2, "Bob", D1)]
    assert history(url) == [(1, "Ann", D0, D1), (1, "Anne", D1, None), (2, "Bob", D0, D1)]
    load(url, BY_DELIVERY, FIRST, SECOND, THIRD)
    assert current(url) == [(1, "Anne", None), (2, "Bob", None)]
    assert history(url)[2:] == [(2, "Bob", D0, D1), (2, "Bob", D2, None)]


def test_a_column_orders_changes_that_are_delivered_late(url: str) -> None:
    late = File(3, "late.csv", ((1, "Nan", "U", 2), (2, "Rob", "U", 1)))
    load(url, BY_TURN, FIRST, SECOND, late)
    assert current(url, BY_TURN) == [(1, "Anne", None), (2, "Bob", 4)]
    assert history(url, BY_TURN) == [
        (1, "Ann", 1, 2),
        (1, "Nan", 2, 3),
        (1, "Anne", 3, None),
        (2, "Rob", 1, 2),
        (2, "Bob", 2, 4),
    ]


def test_a_full_dump_is_all_that_there_is(url: str) -> None:
    dump = (File(2, "full_1.csv", ((3, "Cy", "I", 9),)), File(2, "full_2.csv", ((1, "Anne", "I", 8),)))
    load(url, BY_DELIVERY, FIRST, *dump)
    assert current(url) == [(1, "Anne", None), (2, "Bob", D2), (3, "Cy", None)]
    assert history(url) == [(1, "Ann", D0, D2), (1, "Anne", D2, None), (2, "Bob", D0, D2), (3, "Cy", D2, None)]
    load(url, BY_DELIVERY, FIRST, *dump, File(3, "a.csv", ((2, "Bo", "U", 10),)))
    assert current(url)[1] == (2, "Bo", None)


def test_a_full_dump_stands_at_the_latest_of_its_changes_where_a_column_orders_them(url: str) -> None:
    dump = File(1, "full.csv", ((1, "Anne", "I", 1), (3, "Cy", "I", 6)))
    later = File(0, "b.csv", ((2, "Bo", "U", 7),))  # delivered before the dump, and made after it
    load(url, BY_TURN, FIRST, dump, later)
    assert current(url, BY_TURN) == [(1, "Anne", None), (2, "Bo", None), (3, "Cy", None)]
    assert history(url, BY_TURN) == [
        (1, "Ann", 1, 6),
        (1, "Anne", 6, None),
        (2, "Bob", 2, 6),
        (2, "Bo", 7, None),
        (3, "Cy", 6, None),
    ]


def test_of_two_full_dumps_of_a_day_the_column_that_orders_changes_says_which_row_is_later(url: str) -> None:
    files = File(1, "full_a.csv", ((1, "new", "U", 9),)), File(1, "full_b.csv", ((1, "old", "U", 5), (1, "x", "U", 4)))
    load(url, BY_TURN, *files)
    assert current(url, BY_TURN) == [(1, "new", None)]
    assert explained(BY_TURN, files, 1)[-1] == ("full_a.csv", "new", "the latest change")
    load(url, BY_DELIVERY, *files)  # here the object's key and the position say it
    assert current(url) == [(1, "x", None)]


def test_a_column_may_have_any_name() -> None:
    names = dict.fromkeys(("first", "last", "next", "dumped_at"), "Ann")
    source = replace(BY_DELIVERY, schema=type("Named", (Accounts,), dict.fromkeys(names, dy.String())))
    files = FIRST, File(1, "full.csv", ((2, "Bob", "I", 3),))
    rows = lake(BY_DELIVERY, files).with_columns(pl.lit(text).alias(name) for name, text in names.items())
    found = derive_current(order_changes(rows.lazy(), source), source).sort("number")
    assert found.select("number", "deleted_at", *names).rows() == [(1, D1, *names.values()), (2, None, *names.values())]


def test_what_only_speaks_of_the_change_makes_no_new_values(url: str) -> None:
    again = File(1, "a.csv", ((1, "Ann", "U", 7),))
    load(url, BY_TURN, FIRST, again)
    assert history(url, BY_TURN) == [(1, "Ann", 1, None), (2, "Bob", 2, None)]
    assert ask(url, "SELECT code, turn FROM warehouse.numbered WHERE number = 1") == [("U", 7)]
    load(url, BY_DELIVERY, FIRST, again)  # here the turn is a value as any other
    assert history(url) == [(1, "Ann", D0, D1), (1, "Ann", D1, None), (2, "Bob", D0, None)]


def test_loading_again_writes_nothing_and_an_older_version_replaces_nothing(url: str) -> None:
    load(url, BY_DELIVERY, FIRST, SECOND, version=7)
    assert load(url, BY_DELIVERY, FIRST, SECOND, version=7).changed == 0
    assert load(url, BY_DELIVERY, FIRST, SECOND, version=8).changed == 0
    assert load(url, BY_DELIVERY, FIRST, version=6) == SnapshotLoad(keys=2, runs=3, changed=0, is_stale=True)
    assert open_table(url, BY_DELIVERY, "UTC").version([]) == 8
    assert ask(url, "SELECT lake_version, newest_day FROM ledger.snapshots") == [(8, D1)]


def test_nothing_delivered_makes_empty_tables(url: str) -> None:
    assert load(url, BY_DELIVERY) == SnapshotLoad(keys=0, runs=0, changed=0)


def test_answers_read_what_is_not_deleted(url: str) -> None:
    load(url, BY_DELIVERY, FIRST, SECOND)
    found = scan_source(url, BY_DELIVERY, "UTC").select("number", "name").collect()
    assert found.rows() == [(1, "Anne")]


def test_a_deleted_row_names_nothing_in_vain(url: str) -> None:
    load(url, BY_DELIVERY, FIRST, SECOND)
    source = replace(BY_DELIVERY, references=(Reference("name", "movies", "title"),))
    with connect(url) as connection:
        [unknown] = find_unknown_names(connection, source, source.references, DAY, DAY)
    assert unknown.first_names == ("Anne",)


def test_the_changes_of_a_key_are_explained() -> None:
    found = explain(lake(BY_TURN, [SECOND, FIRST]).lazy(), BY_TURN, {"number": "1"})
    fates = [(origin.values["name"], origin.fate) for origin in found.origins]
    latest = f"landing/numbered/{D1}/a.csv"
    assert fates == [("Ann", f"changed by {latest} position 0"), ("Anne", "the latest change")]


def origins(source: Changes, files: Iterable[File], number: int) -> tuple[Origin, ...]:
    dumps = Dumps({}, frozenset(), missing(source, files))
    return explain(lake(source, files).lazy(), source, {"number": str(number)}, dumps).origins


def explained(source: Changes, files: Iterable[File], number: int) -> list[tuple[str, Any, str]]:
    found = origins(source, files, number)
    return [(origin.object.rpartition("/")[2], origin.values["name"], origin.fate) for origin in found]


def test_a_change_that_is_older_than_a_full_dump_is_explained_so() -> None:
    files = File(1, "full.csv", ((1, "full", "I", 1), (2, "Bob", "I", 9))), File(2, "c.csv", ((1, "late", "U", 5),))
    key = files[0].key(BY_TURN)
    assert explained(BY_TURN, files, 1) == [
        ("c.csv", "late", f"changed by {key} position 0"),
        ("full.csv", "full", "the latest change"),
    ]


def test_a_key_that_a_full_dump_lacks_is_explained_as_deleted() -> None:
    files = FIRST, File(1, "full.csv", ((1, "Ann", "I", 7),)), File(2, "a.csv", ((3, "Cy", "I", 8),))
    assert explained(BY_TURN, files, 2) == [("a.csv", "Bob", f"deleted by the full dump of {D1}, which lacks it")]
    assert explained(BY_TURN, (*files, File(3, "a.csv", ((2, "Bo", "U", 9),))), 2) == [
        ("a.csv", "Bob", f"changed by landing/numbered/{D3}/a.csv position 0"),
        ("a.csv", "Bo", "the latest change"),
    ]


def test_a_change_that_lacks_a_column_is_explained_with_the_value_that_stays(local_storage: Storage) -> None:
    for day, text in ((D0, "number,name,code,turn\n1,Ann,I,1\n"), (D1, "number,code,turn\n1,U,2\n")):
        delivery = land(local_storage, BY_DELIVERY, "a.csv", text, day)
        assert ingest(local_storage, BY_DELIVERY, delivery.object, "UTC", first_day=D0)
    found = explain_newest(rows_table(local_storage, BY_DELIVERY), BY_DELIVERY, {"number": "1"})
    assert [(origin.values["name"], origin.values["turn"]) for origin in found.origins] == [("Ann", 1), ("Ann", 2)]


def test_changes_of_files_reach_the_tables(settings: Settings) -> None:
    assert settings.database_url
    url, storage = settings.database_url.get_secret_value(), open_storage(settings)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as making, views_aside(making):
        build_metadata([*SOURCES, NAMED], {}).create_all(making)
    path, table = settings.home / "file", rows_table(storage, BY_DELIVERY)
    path.parent.mkdir(exist_ok=True)
    for day, text in ((D1, "1,Anne,U,3\n2,,D,4\n3,Cy,X,5\n"), (D0, "1,Ann,I,1\n2,Bob,I,2\n")):
        path.write_text("number,name,code,turn\n" + text)
        Landing(storage).put("accounts", day, path, "a.csv")
        key = f"landing/accounts/{day}/a.csv"
        intake = ingest(storage, BY_DELIVERY, key, "UTC", first_day=settings.first_day)
        assert intake
        record_delivery(url, intake)
        with connect(url) as connection:
            assert find_stale_days(connection, BY_DELIVERY) >= {day}
            load_changes(connection, BY_DELIVERY, table.scan(intake.version), intake.version)
            assert find_stale_days(connection, BY_DELIVERY) == set()
    assert current(url) == [(1, "Anne", None), (2, "Bob", D1)]
    assert history(url) == [(1, "Ann", D0, D1), (1, "Anne", D1, None), (2, "Bob", D0, D1)]


def test_a_delete_needs_no_value_but_of_its_key() -> None:
    rows = [
        ("1", "Ann", "I", "1"),
        ("1", None, "D", "2"),
        ("2", None, "U", "3"),
        ("3", "C", "D", "4"),
        (None, "Di", "D", "5"),
    ]
    text = pl.DataFrame(rows, schema=dict.fromkeys(Named.column_names(), pl.String), orient="row").with_row_index(
        "position"
    )
    accepted, rejected, _ = validate(text.cast({"position": pl.Int64}), NAMED, None)
    assert accepted.select("number", "name", "code").rows() == [(1, "Ann", "I"), (1, None, "D")]
    assert rejected.select("position", "code", "message").rows() == [
        (2, "name.nullability", "name is missing."),
        (3, "name.min_length", "name is too short."),
        (4, "number.nullability", "number is missing."),
    ]


@pytest.mark.parametrize(
    ("column", "deletes"),
    [
        (dy.Enum(["upsert", "delete"]), pl.col("code") > "upsert"),
        (dy.Enum(["upsert", "delete"]), pl.col("code").to_physical() == 1),
        (dy.Enum(["upsert", "delete"]), pl.col("code").cat.starts_with("d")),
        (dy.Categorical(), pl.col("code").cat.starts_with("d")),
        (dy.Categorical(), pl.col("code").cat.slice(0, 1) == "d"),
    ],
)
def test_what_is_a_delete_is_said_of_the_declared_types(column: dy.Column, deletes: pl.Expr) -> None:
    source = replace(NAMED, schema=type("Coded", (Named,), {"code": column}), deletes=deletes)
    rows = [("1", "Ann", "upsert", "1"), ("2", "Bob", "upsert", "1"), ("2", None, "delete", "2")]
    text = pl.DataFrame(rows, dict.fromkeys(Named.column_names(), pl.String), orient="row").with_row_index("position")
    accepted, rejected, _ = validate(text.cast({"position": pl.Int64}), source, None)
    assert rejected.is_empty()
    in_the_lake = accepted.with_columns(
        pl.col("code").cast(pl.String), object=pl.lit("a.csv"), delivery_day=D0, delivery=1
    )
    changes = order_changes(in_the_lake.lazy(), source)
    found = derive_current(changes, source).select("number", "name", "deleted_at").sort("number")
    assert found.rows() == [(1, "Ann", None), (2, "Bob", D0)]


def test_a_key_that_was_only_ever_deleted_is_there_with_what_its_delete_says(url: str) -> None:
    load(url, NAMED, File(0, "a.csv", ((1, None, "D", 1),)))
    assert current(url, NAMED) == [(1, None, D0)]
    assert history(url, NAMED) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"deletes": pl.col("gone")}, "deletes is no expression over its columns"),
        ({"deletes": pl.col("name")}, "deletes must be true or false of a row, not String"),
        ({"deletes": pl.col("number") > 3}, "cannot be part of the key: \\['number'\\]"),
        ({"ordered_by": "name"}, "'name' must be a column of instants, dates or whole numbers"),
        ({"ordered_by": "changed"}, "'changed' must be a column of instants, dates or whole numbers"),
        ({"schema": type("S", (Accounts,), {"Deleted_At": dy.Date()})}, "has a column of the name 'deleted_at' itself"),
    ],
)
def test_a_declaration_of_changes_that_cannot_be_kept_is_refused(options: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"source accounts: .*{problem}"):
        replace(BY_DELIVERY, **options)


def test_what_the_tables_depend_on_makes_them_anew() -> None:
    options: list[dict[str, Any]] = [{}, {"deletes": None}, {"ordered_by": "turn"}, {"full_dumps": None}]
    assert len({replace(BY_DELIVERY, **option).fingerprint for option in options}) == len(options)
    assert replace(BY_DELIVERY).fingerprint == BY_DELIVERY.fingerprint


# The oracle: one change after the other, in plain Python.

State = dict[int, Change]


def moments(source: Changes, files: Iterable[File]) -> list[tuple[Any, State, list[Change]]]:
    """What happened, in order: when, and either the rows of a dump (by key) or a change."""
    happened: list[tuple[Any, Any, State, list[Change]]] = []
    by_turn = source.ordered_by is not None
    full = [file for file in files if "full" in file.name and file.rows]
    for day in {file.day for file in full}:
        of_day = sorted((file for file in full if file.day == day), key=lambda file: file.name)
        rows = [row for file in of_day for row in file.changes]
        rows = sorted(rows, key=lambda row: row[3]) if by_turn else rows
        at = rows[-1][3] if by_turn else DAY + timedelta(days=day)
        happened.append((at, (day, of_day[-1].name, 0), {row[0]: row for row in rows}, rows))
    for file in files:
        for position, row in enumerate(file.changes if "full" not in file.name else ()):
            happened.append((row[3] if by_turn else file.delivered, (file.day, file.name, position), {}, [row]))
    return [(at, dump, rows) for at, _, dump, rows in sorted(happened, key=lambda one: one[:2])]


def expected(source: Changes, files: Iterable[File]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of both tables: number, name, deleted_at; and number, name, valid_from, valid_to."""
    there: dict[int, str | None] = {}
    names: dict[int, str | None] = {}
    unnamed: dict[int, str | None] = {}
    states: dict[int, dict[Any, Any]] = {}  # by number, what was at the end of each moment; an empty tuple: nothing
    for at, dump, rows in moments(source, files):
        for number in set(there) - set(dump) if dump else ():
            del there[number]
            states[number][at] = ()
        for number, name, code, turn in rows:
            if code == "D":
                there.pop(number, None)
                unnamed[number] = None if name is LACKING else name
            else:
                there[number] = names[number] = names.get(number) if name is LACKING else name
            states.setdefault(number, {})[at] = () if code == "D" else (names[number], source.ordered_by or turn)
    latest, runs = [], []
    for number, by_moment in sorted(states.items()):
        turns: list[tuple[Any, Any]] = []
        for at, state in by_moment.items():
            if not turns or turns[-1][1] != state:
                turns.append((at, state))
        ends = [at for at, _ in turns[1:]] + [None]
        runs += [(number, state[0], at, end) for (at, state), end in zip(turns, ends, strict=True) if state]
        name = names[number] if number in names else unnamed[number]
        latest.append((number, name, None if turns[-1][1] else turns[-1][0]))
    return latest, runs


CHANGES = st.tuples(st.integers(1, 3), st.sampled_from(["x", "y", None]), st.sampled_from("IUD"), st.integers(0, 5))
FILES = st.lists(
    st.builds(
        File,
        st.integers(0, 3),
        st.sampled_from(["a.csv", "full.csv", "full_z.csv", "z.csv"]),
        st.lists(CHANGES, max_size=4).map(tuple),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda file: (file.day, file.name),
)


@examples(4)
@given(files=FILES, source=st.sampled_from(SOURCES))
def test_both_tables_say_what_one_change_after_the_other_gives(files: list[File], source: Changes) -> None:
    changes = order_changes(lake(source, files).lazy(), source, missing(source, files))
    latest = derive_current(changes, source).select("number", "name", "deleted_at").sort("number").rows()
    runs = derive_history(changes, source).select("number", "name", "valid_from", "valid_to")
    assert (latest, runs.sort("number", "valid_from").rows()) == expected(source, files)


@examples(1)
@given(files=FILES, source=st.sampled_from(SOURCES))
def test_what_is_explained_of_a_key_is_what_the_table_says(files: list[File], source: Changes) -> None:
    for number, name, deleted_at in expected(source, files)[0]:
        latest = origins(source, files, number)[-1]
        by_change = deleted_at is not None and latest.values["code"] == "D"
        assert latest.fate.startswith("deleted by the full dump of") == (deleted_at is not None and not by_change)
        assert (latest.values["code"] == "D") == by_change
        assert by_change or latest.values["name"] == name


@pytest.mark.parametrize("at_once", [2, 100_000], ids=["many parts", "one part"])
@examples(1 / 4)
@given(files=FILES, source=st.sampled_from(SOURCES), data=st.data())
def test_any_order_of_deliveries_gives_equal_tables(
    url: str, monkeypatch: pytest.MonkeyPatch, at_once: int, files: list[File], source: Changes, data: Any
) -> None:
    """Also where no other keys are derived than those of what came, went or was replaced, a few at a time."""
    monkeypatch.setattr(changes_load, "_ROWS_AT_ONCE", at_once)
    monkeypatch.setattr(changes_load, "_KEYS_AT_ONCE", at_once)
    ask(url, f"TRUNCATE warehouse.{source.name}_current, warehouse.{source.name}_history, ledger.snapshots; SELECT")
    arrivals = data.draw(st.permutations(files))
    older = [replace(file, rows=file.rows[1:]) for file in arrivals[:2]]  # of which a newer version comes later
    steps = [older[:1], older, *(arrivals[:number] for number in range(len(arrivals) + 1))]
    before: list[File] | None = None
    for landed in steps:
        load(url, source, *landed, before=before)
        before = landed
    everything = (f"SELECT * FROM warehouse.{source.name}{table} t ORDER BY t" for table in ("", "_history"))
    found = [ask(url, statement) for statement in everything]
    assert (current(url, source), history(url, source)) == expected(source, files)
    tables = ", ".join(f"warehouse.{source.name}_{table}" for table in ("current", "history"))
    ask(url, f"TRUNCATE {tables}, ledger.snapshots; SELECT")
    load(url, source, *files)
    everything = (f"SELECT * FROM warehouse.{source.name}{table} t ORDER BY t" for table in ("", "_history"))
    assert [ask(url, statement) for statement in everything] == found
