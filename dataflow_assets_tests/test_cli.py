import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow_assets import cli
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.postgres import embedded
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.faults.small_disk import small_disk
from dataflow_assets_tests.known_answers import EXPECTED, require_known_answers
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.orchestration.builders import postgres, session, streams_csv
from dataflow_assets_tests.processes import environment_with, processes_of
from dataflow_assets_tests.warehouse.builders import ask
from dataflow_assets_tests.warm import NOTHING, run_dataflow, start_dataflow, wait_for

DATAFLOW = str(Path(sys.executable).parent / "dataflow")


def sentences(stderr: str) -> str:
    """What a command said on standard error, as it reads in a terminal: what its runs logged is left out."""
    found = []
    for text in stderr.splitlines():
        line = json.loads(text)
        if line["logger"] == "dataflow":
            found.append(_BEGINNINGS.get(line["level"], "") + line["event"] + "\n")
    return "".join(found)


_BEGINNINGS = {"error": "Error: ", "warning": "Note: "}


@dataclass(frozen=True)
class Home:
    """A home folder, and the command run in it as a user would."""

    folder: Path
    timezone: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = environment_with(DATAFLOW_HOME=str(self.folder), DATAFLOW_TIMEZONE=self.timezone)
        done = run_dataflow(arguments, environment)
        done.stderr = sentences(done.stderr)
        return done

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def query(self, statement: str) -> Any:
        return self.json("query", "-c", statement, "--format", "json")

    def stored(self, statement: str) -> list[tuple[Any, ...]]:
        with embedded.acquire(self.folder) as lease:
            return ask(lease.url, statement)

    def published(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "analytics.duckdb"), read_only=True) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(scope="module", params=list(EXPECTED))
def demonstrated(
    request: pytest.FixtureRequest, reference_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, Any]]:
    """A home in which `demo` ran on the reference data, and what it printed."""
    home = Home(tmp_path_factory.mktemp("demo") / "home", request.param)
    printed = home.json("demo", "--data", str(reference_data), "--json")
    assert processes_of(home.folder) == {}, "something is still running after `demo`"
    with embedded.acquire(home.folder):  # the commands that follow share a server
        yield home, printed
    assert processes_of(home.folder) == {}


Demonstrated = tuple[Home, Any]
in_utc_alone = pytest.mark.parametrize("demonstrated", ["UTC"], indirect=True)  # the time zone makes no difference

COUNTS = """
    SELECT (SELECT count(*) FROM warehouse.streams) AS streams, (SELECT count(*) FROM warehouse.movies) AS movies,
           (SELECT count(*) FROM warehouse.users_history) AS users, (SELECT count(*) FROM warehouse.authors) AS authors,
           (SELECT count(*) FROM warehouse.books) AS books, (SELECT count(*) FROM warehouse.reviews) AS reviews,
           (SELECT count(*) FROM analytics.average_session) AS days,
           (SELECT count(*) FROM analytics.sessions_in_progress) AS hours"""


def test_demo_prints_the_known_answers(demonstrated: Demonstrated) -> None:
    home, printed = demonstrated
    require_known_answers(printed, home.timezone)


@in_utc_alone
def test_a_second_demo_changes_nothing(demonstrated: Demonstrated, reference_data: Path) -> None:
    home, printed = demonstrated
    [before] = home.query(COUNTS)
    assert home.json("demo", "--data", str(reference_data), "--json") == printed
    assert home.query(COUNTS) == [before]
    assert before["streams"] == 9652
    assert (before["movies"], before["users"], before["authors"]) == (91, 783, 200)


def test_answers_repeats_what_demo_printed(demonstrated: Demonstrated) -> None:
    home, printed = demonstrated
    assert home.json("answers", "--json") == printed


def test_answers_over_windows(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    asked = home.json(
        *("answers", "--from", "2021-12-15", "--to", "2021-12-16", "--json"),
        *("--engaged-from", "2021-12-24", "--engaged-to", "2022-01-01"),
    )
    assert asked["engaged_users"]["users"] == {"UTC": 746, "Europe/Paris": 747}[home.timezone]
    if home.timezone == "Europe/Paris":
        assert asked["sessions"] == 334
        assert asked["book_based_share"]["streamed"] == 85


def test_the_published_file_holds_every_answer(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    assert {name for (name,) in home.published("SELECT table_name FROM information_schema.tables")} == {
        *("average_session", "median_session_size", "book_based_share"),
        *("movies_by_author_nationality", "engaged_users", "sessions_in_progress"),
    }
    assert home.published("SELECT sum(sessions)::BIGINT FROM published.average_session") == [(9652,)]


PER_DAY = """
    SELECT a.day, a.sessions, round(average_session_seconds::numeric, 2)::float8,
           round(median_session_gigabytes::numeric, 6)::float8, based_on_books, streamed
    FROM {0}.average_session AS a JOIN {0}.median_session_size USING (day) JOIN {0}.book_based_share USING (day)
    WHERE day IN ('2021-11-30', '2021-12-01', '2021-12-15', '2021-12-30') ORDER BY day"""
PUBLISHED_PER_DAY = PER_DAY.format("published").replace("::numeric", "").replace("::float8", "")
FIRST_IN_UTC = (date(2021, 11, 30), 11, 31089.67, 0.862456, 11, 11)
IN_PARIS = [
    (date(2021, 12, 1), 308, 43596.04, 0.940378, 83, 89),
    (date(2021, 12, 15), 334, 44624.96, 0.960856, 79, 85),
    (date(2021, 12, 30), 303, 44183.49, 1.081615, 83, 89),
]
ENGAGED = "SELECT users FROM {}.engaged_users WHERE day = '2021-12-31'"
NATIONALITY = "SELECT month, movies FROM {}.movies_by_author_nationality WHERE nationality = 'singaporeans'"
OF_DECEMBER = (date(2021, 12, 1), 3)


def test_every_answer_is_stored_and_published(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    expected = [FIRST_IN_UTC] if home.timezone == "UTC" else IN_PARIS
    assert home.stored(PER_DAY.format("analytics"))[: len(expected)] == expected
    assert home.published(PUBLISHED_PER_DAY)[: len(expected)] == expected
    engaged = [(EXPECTED[home.timezone]["engaged"],)]
    assert home.stored(ENGAGED.format("analytics")) == home.published(ENGAGED.format("published")) == engaged
    assert OF_DECEMBER in home.stored(NATIONALITY.format("analytics"))
    assert OF_DECEMBER in home.published(NATIONALITY.format("published"))
    assert home.stored("SELECT sum(sessions) FROM analytics.average_session") == [(9652,)]
    for name in ("sessions_in_progress", "engaged_users", "movies_by_author_nationality"):
        stored = home.stored(f"SELECT * FROM analytics.{name}")
        assert sorted(stored) == sorted(home.published(f"FROM published.{name}")), name


@in_utc_alone
def test_rejects_names_the_author_without_a_name(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    [rejected] = home.json("rejects", "--json")
    assert set(rejected) == {"source", "delivery_day", "object", "line", "code", "message", "raw", "run"}
    assert (rejected["source"], rejected["delivery_day"]) == ("authors", "2021-12-31")
    assert rejected["code"] == "name.nullability"
    assert '"name":null' in rejected["raw"]
    assert home.json("rejects", "--source", "movie", "--json") == []


@in_utc_alone
def test_explain_names_the_file_of_a_row(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    [row] = home.query("SELECT movie_title, user_email, start_at, position FROM warehouse.streams ORDER BY id LIMIT 1")
    arguments = ("explain", "--source", "stream", "--key", row["movie_title"], "--key", row["user_email"])
    start = ("--key", f"start_at={row['start_at']}")
    found = home.json(*arguments, *start, "--json")
    [origin] = found["origins"]
    assert (origin["object"], origin["position"]) == ("landing/streams/2021-12-31/streams.csv", row["position"])
    assert (origin["delivery_day"], origin["fate"]) == ("2021-12-31", "in the table")
    assert datetime.fromisoformat(origin["values"]["start_at"]) == datetime.fromisoformat(row["start_at"])
    shown = home.run(*arguments, *start).stdout
    assert shown.startswith(f"movie_title '{row['movie_title']}', user_email")
    assert "in the table" in shown


@in_utc_alone
def test_explain_looks_among_the_rejects_too(demonstrated: Demonstrated) -> None:
    home, _ = demonstrated
    done = home.run("explain", "--source", "authors", "--key", "null", "--json")
    assert done.returncode == 1
    assert done.stderr == "Error: No row of authors has name 'null'; these rejected rows hold it.\n"
    [reject] = json.loads(done.stdout)["rejects"]
    assert (reject["object"], reject["code"]) == ("landing/authors/2021-12-31/authors.json", "name.nullability")
    done = home.run("explain", "--source", "users", "--key", "nobody")
    assert done.stderr == "Error: No row of users has email 'nobody', nor does a rejected row hold it.\n"


@in_utc_alone
def test_load_adds_one_file_and_brings_the_answers_after_it(demonstrated: Demonstrated, tmp_path: Path) -> None:
    home, _ = demonstrated
    late = tmp_path / "late.csv"
    late.write_text(
        "device,movie_title,user_email,size_mb,start_at,end_at\n"
        "tv,Unforgiven,late@example.org,500,2021-11-15T12:00:00Z,2021-11-15T13:00:00Z\n"
    )
    loaded = home.run("load", "--model", "stream", "--collector", "csv", "--config", str(late))
    assert loaded.returncode == 0, loaded.stderr
    assert re.findall("Note: streams of .*late.csv: not declared and kept out: 'device'.*", loaded.stderr)
    of_the_day = "SELECT sessions, average_session_seconds FROM analytics.average_session WHERE day = '2021-11-15'"
    assert home.query(of_the_day) == [{"sessions": 1, "average_session_seconds": 3600.0}]
    late.write_text("movie_title,user_email,size_mb,start_at,end_at\n")
    assert home.run("load", "--model", "streams", "--collector", "csv", "--config", str(late)).returncode == 0
    assert home.query(of_the_day) == []
    assert home.query("SELECT count(*) AS rows FROM warehouse.streams") == [{"rows": 9652}]


# One process, for what needs no demo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process: its exit code, and what it printed on either stream."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dataflow", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, sentences(printed.err)

    return run


def load(path: Path, model: str = "stream", collector: str = "csv") -> tuple[str, ...]:
    return ("load", "--model", model, "--collector", collector, "--config", str(path))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (load(Path("x.csv"), model="series"), "There is no source 'series'; the sources are authors, books"),
        (load(Path("x.json"), collector="json"), "streams is delivered as csv, not as json."),
        (("query",), "Give the statement by -c, or a file with it by -f."),
        (("query", "-c", "SELECT 1", "-f", "one.sql"), "Give the statement by -c, or a file with it by -f."),
        (("query", "-c", "SELECT '\udce9'"), "The statement is no text in UTF-8; save it as such."),
        (("query", "-c", "SELECT '\0'"), "The statement is no text in UTF-8; save it as such."),
        (("report", "--out", "/"), "/ is a folder; name a file in it, such as /answers.html."),
        (("demo", "--delivered", "2021-02-30"), "'2021-02-30' is not a day"),
        (("demo", "--delivered", "1999-01-01"), "1999-01-01 has no partition"),
        (("rejects", "--source", "series"), "There is no source 'series'"),
        (("deliveries", "--source", "series"), "There is no source 'series'"),
        (("deliveries", "--day", "2021-02-30"), "'2021-02-30' is not a day"),
        (("release",), "Name objects, or give --source and --day."),
        (("release", "--source", "users"), "Name objects, or give --source and --day."),
        (("release", "--source", "users", "--day", "never"), "'never' is not a day"),
        (("replay", "--source", "series"), "There is no source 'series'"),
        (("answers", "--from", "soon"), "'soon' is not a time"),
        (("explain", "--source", "users", "--key", "a", "--key", "b"), "The key of users has the parts email, each"),
        (("preview", "nowhere.csv", "--model", "series"), "There is no source 'series'"),
        (("backfill", "--asset", "lake/series", "--from", "2021-12-01", "--to", "2021-12-02"), "There is no asset"),
        (
            ("backfill", "--asset", "lake/streams", "--from", "2021-12-02", "--to", "2021-12-01"),
            "--from 2021-12-02 is after --to 2021-12-01",
        ),
        (
            ("backfill", "--asset", "lake/streams", "--from", "1999-12-01", "--to", "1999-12-02"),
            "lake/streams has no partition from 1999-12-01 to 1999-12-02: they go from",
        ),
        (("backfill", "--asset", "lake/streams", "--from", "now", "--to", "2021-12-02"), "'now' is not a day"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence_and_ends_with_2(
    run: Run, clean_environment: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    _require_one_sentence(run(*arguments), 2, sentence)


def test_a_statement_in_another_encoding_is_wrong_usage(
    run: Run, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "latin.sql"
    path.write_bytes("SELECT 'é'".encode("latin-1"))
    _require_one_sentence(run("query", "-f", str(path)), 2, f"{path} is no text in UTF-8; save it as such.")


def test_a_window_that_ends_before_it_begins_is_wrong_usage(run: Run, settings: Settings) -> None:
    code, _, err = run("answers", "--from", "2021-12-02", "--to", "2021-12-01")
    assert code == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (load(Path("nowhere.csv")), "There is no file nowhere.csv."),
        (("query", "-f", "nowhere.sql"), "There is no file nowhere.sql."),
        (("demo", "--data", "/nonexistent"), "There is no file authors.json in /nonexistent/internal"),
        (("preview", "nowhere.csv", "--model", "stream"), "There is no file nowhere.csv."),
        (("sample", "--out", "/dev/null"), "/dev/null/internal cannot be used: Not a directory."),
    ],
)
def test_a_failure_is_told_in_one_sentence_and_ends_with_1(
    run: Run, clean_environment: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    _require_one_sentence(run(*arguments), 1, sentence)


def _require_one_sentence(done: tuple[int, str, str], code: int, sentence: str) -> None:
    ended_with, out, err = done
    assert (ended_with, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "collector", "content"),
    [
        ("stream", "csv", "<html><body>503</body></html>"),
        ("book", "json", '[{"name": "A", "pages": 1}, {"name":'),
        ("book", "json", "name,pages\nA,1\n"),
    ],
)
def test_a_file_that_is_not_its_format_leaves_nothing(
    run: Run, settings: Settings, tmp_path: Path, model: str, collector: str, content: str
) -> None:
    path = tmp_path / f"wrong.{collector}"
    path.write_text(content)
    code, _, err = run(*load(path, model, collector))
    assert code == 1
    assert err.startswith("Error: wrong.")
    assert not list(settings.home.glob("landing/**/*.*"))


@pytest.mark.parametrize("command", [("answers",), ("demo",), ("init-db",), ("query", "-c", "SELECT 1")])
def test_a_database_that_is_down(run: Run, clean_environment: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://me:hidden@127.0.0.1:1/nothing")
    code, _, err = run(*command)
    assert code == 1
    assert "PostgreSQL at 127.0.0.1:1/nothing cannot be reached" in err
    assert "hidden" not in err
    assert err.count("\n") == 1


def test_init_db_brings_a_database_up_to_date_once(
    run: Run, clean_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    clean_environment.setenv("DATABASE_URL", empty_database_url)
    assert "run `dataflow init-db` first" in run("query", "-c", "SELECT 1")[2]
    assert "brought up to date" in run("init-db")[2]
    assert "up to date already" in run("init-db")[2]
    assert run("query", "-c", "SELECT count(*) FROM warehouse.streams")[0] == 0


def test_query_formats(run: Run, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "two.sql"
    file.write_text("SELECT 1 AS one, NULL AS nothing, 'a,b' AS text, 1.50 AS amount;\n")
    assert json.loads(run("query", "-f", str(file), "--format", "json")[1]) == [
        {"one": 1, "nothing": None, "text": "a,b", "amount": 1.5}
    ]
    lines = list(csv.reader(io.StringIO(run("query", "-f", str(file), "--format", "csv")[1])))
    assert lines == [["one", "nothing", "text", "amount"], ["1", "", "a,b", "1.50"]]
    assert "one" in run("query", "-f", str(file))[1]


def test_preview_tells_what_would_happen_and_writes_nothing(
    run: Run, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean_environment.setenv("COLUMNS", "100")
    assert run("sample", "--out", str(tmp_path / "sample"), "--streams", "1000")[0] == 0
    file = str(tmp_path / "sample/internal/streams.csv")
    code, out, err = run("preview", file, "--model", "stream", "--rows", "2")
    assert (code, err) == (0, "")
    assert "streams: 1,000 rows: 990 would be accepted, 10 rejected." in out
    assert "101" in out
    assert max(map(len, out.splitlines()[:15])) <= 100
    said = json.loads(run("preview", file, "--model", "streams", "--rows", "2", "--json")[1])
    assert (said["delivered"], said["accepted"], said["rejected"]) == (1000, 990, 10)
    assert said["rows"][0]["start_at"] == "2021-12-25T05:30:00+00:00"
    assert [reject["line"] for reject in said["rejects"]] == [101, 201]
    assert said["event_days"][-1] == "2021-12-31"
    code, out, err = run("preview", str(tmp_path / "sample/vendor/books.json"), "--model", "streams")
    assert (code, out) == (1, "")
    assert err.startswith("Error: books.json is named .json, but its source is declared as .csv.")
    assert not Path(os.environ["DATAFLOW_HOME"]).exists()


def test_a_table_shows_texts_as_they_are_and_steers_no_terminal(run: Run, settings: Settings) -> None:
    out = run("query", "-c", "SELECT '[/red]' AS markup, chr(27) || '[31m' AS escape")[1]
    assert "[/red]" in out
    assert r"\x1b[31m" in out
    out = run("query", "-c", 'SELECT 1 AS "[/x]", 2 AS "\x1b[31m"')[1]
    assert "[/x]" in out
    assert r"\x1b[31m" in out
    code, out, said = run("query", "-c", "SELECT 1 AS a, 2 AS a", "--format", "json")
    assert (code, out, "Two columns are called a: for JSON, give one" in said) == (1, "", True)
    out = run("query", "-c", 'SELECT 2 AS "\x9b31m"', "--format", "json")[1]
    assert out == '[\n{"\\u009b31m":2}\n]\n'


def test_a_header_of_a_file_steers_no_terminal(run: Run, clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "movies.csv"
    file.write_text("title,duration_mins,original_language,size_mb,\x1b]0;mine\x07[/x]\nRust,90,,1,2\n")
    code, out, err = run("preview", str(file), "--model", "movies")
    assert code == 0
    assert r"\x1b]0;mine\x07[/x]" in out
    file.write_text("title,\x1b[31mtitle\nRust,1\n")
    code, out, more = run("preview", str(file), "--model", "movies")
    assert all(char.isprintable() or char == "\n" for char in out + err + more)


def test_doctor_tells_a_line_for_each_thing_and_fails_where_there_is_a_problem(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    assert [re.split("  +", line)[0].split()[0] for line in out.splitlines()] == [*["ok"] * 11, "warning", "ok"]
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hidden@127.0.0.1:1/nothing")
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert [(finding["name"], finding["state"]) for finding in json.loads(out)][-1] == ("database", "problem")
    assert "hidden" not in out


def test_query_changes_nothing(run: Run, settings: Settings) -> None:
    code, _, err = run("query", "-c", "DELETE FROM ledger.deliveries")
    assert code == 1
    assert "cannot execute DELETE in a read-only transaction" in err


def test_backfill_says_what_it_would_run_and_runs_it(run: Run, settings: Settings, tmp_path: Path) -> None:
    movies = tmp_path / "movies.csv"
    movies.write_text("title,duration_mins,original_language,size_mb\nRust,90,,1\n")
    Landing(open_storage(settings)).put("movies", date(2021, 12, 5), movies)
    command = ("backfill", "--asset", "lake/movies", "--from", "2021-12-01", "--to", "2021-12-31", "--only-missing")
    code, table, said = run(*command, "--dry-run")
    assert (code, table.count("2021-12-05"), said.splitlines()[-1]) == (0, 2, "1 run to do.")
    code, _, said = run(*command)
    assert (code, said.splitlines()[-1]) == (0, "1 run done.")
    code, _, said = run(*command)
    assert (code, said.splitlines()[-1]) == (0, "0 runs done.")
    code, _, said = run(*command[:-1], "--dry-run")
    assert (code, said.splitlines()[-1]) == (0, "1 run to do.")
    code, _, said = run("backfill", "--asset", "movies", "--from", "2021-12-01", "--to", "2021-12-31")
    assert (code, "no asset 'movies' to backfill" in said) == (2, True)


@pytest.fixture
def delivered(settings: Settings) -> Settings:
    """Settings with deliveries in every state: two versions of one object, one refused, one to come, and a stray."""
    storage, url, source = open_storage(settings), open_warehouse(settings), find_source("streams")
    first = streams_csv(session("2021-12-02T10:00"), session("2021-12-03T10:00"))
    second, empty = streams_csv(session("2021-12-01T10:00")), streams_csv()
    for name, content in [("a.csv", first), ("a.csv", second), ("b.csv", "sorry"), ("c.csv", empty)]:
        delivery = land(storage, source, name, content, date(2021, 12, 5))
        if name != "c.csv":
            taken = ingest(storage, source, delivery.object, settings.timezone, first_day=settings.first_day)
            assert taken
            record_delivery(url, taken)
    land(storage, "payments", "a.csv", "amount\n", date(2021, 12, 6))
    return settings


def test_an_argument_that_is_no_text_is_told(run: Run, delivered: Settings) -> None:
    done = run("explain", "--source", "streams", "--key", "Caf\udce9")
    _require_one_sentence(done, 1, r"The argument 'Caf\udce9' is no text in UTF-8.")


def test_deliveries_tells_what_became_of_each(run: Run, delivered: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*arguments: str) -> list[tuple[str, str]]:
        rows = json.loads(run("deliveries", "--json", *arguments)[1])
        return [(row["object"].split("/", 1)[1], row["state"]) for row in rows]

    everything = [
        ("payments/2021-12-06/a.csv", "stray"),
        *(("streams/2021-12-05/a.csv", "superseded"), ("streams/2021-12-05/a.csv", "accepted")),
        *(("streams/2021-12-05/b.csv", "rejected"), ("streams/2021-12-05/c.csv", "landed")),
    ]
    assert asked() == everything
    assert asked("--source", "stream") == asked("--day", "2021-12-05") == everything[1:]
    assert asked("--source", "movies") == asked("--day", "2021-12-04") == []
    for state in ("stray", "superseded", "accepted", "rejected", "landed"):
        assert asked("--state", state) == [row for row in everything if row[1] == state]
    [older] = json.loads(run("deliveries", "--json", "--state", "superseded")[1])
    assert older["event_days"] == ["2021-12-02", "2021-12-03"]
    assert (older["delivered"], older["accepted"], older["rejected"], older["refusal"]) == (2, 2, 0, None)
    monkeypatch.setenv("COLUMNS", "80")
    _, table, notes = run("deliveries")
    assert max(len(line) for line in table.splitlines()) <= 80
    line = ["streams", "2021-12-05", "a.csv", "superseded", "2", "0", "2"]
    assert line in [[cell.strip() for cell in row.split("│")[1:8]] for row in table.splitlines()]
    assert "landing/payments/2021-12-06/a.csv is of no known source." in notes


def test_deliveries_makes_the_record_again(run: Run, delivered: Settings) -> None:
    before = run("deliveries", "--json")[1]
    with postgres(delivered) as cursor:
        cursor.execute("DELETE FROM ledger.deliveries")
    assert json.loads(run("deliveries", "--json")[1]) != json.loads(before)
    code, after, said = run("deliveries", "--rebuild", "--json")
    assert (code, json.loads(after)) == (0, json.loads(before))
    assert said == "The record was made again: 3 versions of landed objects.\n"


def test_what_is_held_back_is_released_by_object_or_by_day(run: Run, settings: Settings, tmp_path: Path) -> None:
    def load_movies(name: str, titles: Sequence[str], day: str) -> tuple[int, str]:
        path = tmp_path / name
        lines = "".join(f"{title},90,,1\n" for title in titles)
        path.write_text(f"title,duration_mins,original_language,size_mb\n{lines}")
        code, _, err = run(*load(path, "movie"), "--delivered", day)
        return code, err

    def titles() -> set[str]:
        found = run("query", "-c", "SELECT title FROM warehouse.movies WHERE missing_since IS NULL", "--format", "json")
        return {row["title"] for row in json.loads(found[1])}

    assert load_movies("whole.csv", ["A", "B", "C"], "2021-12-01")[0] == 0
    code, err = load_movies("cut.csv", ["A"], "2021-12-02")
    assert code == 1
    assert "Note: movies of 2021-12-02 is quarantined: its 1 rows are less than 50% of the 3 of 2021-12-01." in err
    assert "Error: landing/movies/2021-12-02/cut.csv is quarantined, and nothing of it is loaded.\n" in err
    assert "less than 50%" not in load_movies("whole.csv", ["A", "B", "D"], "2021-12-01")[1]
    load_movies("part.csv", [""], "2021-12-02")
    code, _, err = run("release", "landing/movies/2021-12-02/cut.csv")
    assert (code, "cut.csv is quarantined, and nothing" in err) == (1, True), (
        "the other object of the day is not released"
    )
    code, _, err = run("release", "--source", "movie", "--day", "2021-12-02")
    released = "landing/movies/2021-12-02/cut.csv, landing/movies/2021-12-02/part.csv"
    assert (code, err.splitlines()[-1]) == (0, f"Released: {released}")
    assert "lake/movies                               1 accepted   1 rejected   1 partition\n" in err
    assert titles() == {"A"}

    code, err = load_movies("bad.csv", ["E", *[""] * 101], "2021-12-03")
    assert code == 1
    assert "Note: landing/movies/2021-12-03/bad.csv is quarantined: 101 of its 102 rows are rejected" in err
    assert titles() == {"A"}
    code, _, err = run("release", "landing/movies/2021-12-03/bad.csv")
    assert code == 0, err
    assert titles() == {"E"}
    (settings.home / "landing/movies/2021-12-03/bad.csv").unlink()
    code, _, err = run("release", "landing/movies/2021-12-03/bad.csv")
    assert (code, "There is no object landing/movies/2021-12-03/bad.csv in landing" in err) == (1, True)
    assert (
        "Nothing of movies that was delivered on 2021-12-03 is quarantined."
        in run("release", "--source", "movie", "--day", "2021-12-03")[2]
    )


def test_only_what_was_seen_in_quarantine_is_released(run: Run, settings: Settings, tmp_path: Path) -> None:
    path, head = tmp_path / "bad.csv", "title,duration_mins,original_language,size_mb\n"
    path.write_text(head + "E,90,,1\n" + ",90,,1\n" * 101)
    assert run(*load(path, "movie"), "--delivered", "2021-12-03")[0] == 1
    landed = settings.home / "landing/movies/2021-12-03/bad.csv"
    landed.write_text(head + ",90,,1\n" * 5000)
    for wanted in (["landing/movies/2021-12-03/bad.csv"], ["--source", "movie", "--day", "2021-12-03"]):
        code, _, err = run("release", *wanted)
        assert (code, "bad.csv was replaced since it was quarantined" in err) == (1, True), err
    assert json.loads(run("rejects", "--json")[1]) == []
    other = landed.with_name("other.csv")
    other.write_text(head + "F,90,,1\n" + ",90,,1\n" * 101)
    code, _, err = run("release", "landing/movies/2021-12-03/other.csv")
    assert (code, "other.csv is not quarantined" in err) == (1, True), err


def test_a_lake_that_is_gone_is_refused_and_an_old_one_rebuilt_from(
    run: Run, settings: Settings, tmp_path: Path, empty_database_url: str, clean_environment: pytest.MonkeyPatch
) -> None:
    path, lake = tmp_path / "one.csv", settings.home / "lake"
    path.write_text(streams_csv(session("2021-12-01T10:00")))
    assert run(*load(path), "--delivered", "2021-12-31")[0] == 0
    assert run("backup", str(tmp_path / "backup"))[0] == 0
    path.rename(two := tmp_path / "two.csv")
    two.write_text(streams_csv(session("2021-12-02T10:00")))
    assert run(*load(two), "--delivered", "2021-12-31")[0] == 0
    lake.rename(settings.home / "newer")
    for command in (["deliveries", "--rebuild"], ["rebuild"], ["query", "-c", "SELECT 1"], [*load(two)], ["doctor"]):
        code, out, err = run(*command)
        assert (code, f"there is no lake at {settings.home}" in err + out) == (1, True), (command, err)
    shutil.copytree(tmp_path / "backup/lake", lake)
    code, _, err = run("backfill", "--asset", "warehouse/streams", "--from", "2021-12-01", "--to", "2021-12-02")
    assert (code, "is at version 1, older than the database" in err) == (1, True), err
    code, _, err = run("rebuild")
    assert code == 0, err
    count = ("query", "-c", "SELECT sum(sessions)::int AS n FROM analytics.average_session", "--format", "json")
    assert json.loads(run(*count)[1]) == [{"n": 1}], "the answers follow"
    assert [row["state"] for row in json.loads(run("deliveries", "--json")[1])] == ["accepted", "landed"]
    clean_environment.setenv("DATAFLOW_HOME", str(tmp_path / "new"))
    clean_environment.setenv("DATABASE_URL", empty_database_url)
    code, _, err = run("restore", str(tmp_path / "backup"))
    assert code == 0, err
    assert json.loads(run(*count)[1]) == [{"n": 1}]


def test_replay_reads_again_what_another_declaration_rejected_once(
    run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "movie_title,user_email,size_mb,start_at,end_at\n"
    for name in ("good", "bad", "gone"):
        path = tmp_path / f"{name}.csv"
        start = "2021-12-01T10:00:00Z" if name == "good" else "01.12.2021 10:00"
        path.write_text(f"{head}Heat,{name}@b.example,1,{start},2021-12-01T11:00:00Z\n")
        assert run(*load(path), "--delivered", "2021-12-31")[0] == 0
    (settings.home / "landing/streams/2021-12-31/gone.csv").unlink()
    nothing = "Nothing to read again: what was rejected was rejected by the present declarations.\n"
    assert run("replay")[2] == nothing
    # As if its file had been edited: frozen against accidents only.
    repaired = (*find_source("streams").time_formats, "%d.%m.%Y %H:%M")
    monkeypatch.setitem(vars(find_source("streams")), "time_formats", repaired)
    code, _, err = run("replay", "--source", "stream")
    sentences = [
        line for line in err.splitlines() if not re.match("lake/|warehouse/|analytics/|published|Details", line)
    ]
    assert (code, sentences) == (
        0,
        [
            "Note: landing/streams/2021-12-31/gone.csv is gone from landing, so that its rejected rows cannot be read "
            "again.",
            "Note: Nothing was loaded into movies, users yet, so nobody can tell what streams names in vain.",
            "Read again: landing/streams/2021-12-31/bad.csv",
        ],
    )
    found = run("query", "-c", "SELECT count(*) FROM warehouse.streams", "--format", "json")[1]
    assert json.loads(found) == [{"count": 2}]
    assert run("replay")[2].endswith(nothing)


def test_sample_is_repeatable(run: Run, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        assert run("sample", "--out", str(tmp_path / folder), "--streams", "200", "--seed", "7")[0] == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_env_names_the_instance_and_no_secret(run: Run, settings: Settings) -> None:
    _, out, _ = run("env")
    assert f"export DAGSTER_HOME={settings.dagster_home}" in out
    assert "DATABASE_URL" not in out
    assert (settings.dagster_home / "dagster.yaml").is_file()
    assert json.loads(run("env", "--json")[1])["DATAFLOW_HOME"] == str(settings.home)


def test_help_is_there_for_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    commands = [
        command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback
    ]
    assert {"demo", "load", "deliveries", "init-db"} <= {command.replace("_", "-") for command in commands}
    for command in (command.replace("_", "-") for command in commands):
        assert command in out
        assert run(command, "--help")[0] == 0


@pytest.mark.parametrize(
    "command",
    [("env",), ("answers", "--json"), ("doctor", "--json"), ("query", "-c", "SELECT generate_series(1, 9999)")],
)
def test_output_that_cannot_be_written_fails_the_command(settings: Settings, command: tuple[str, ...]) -> None:
    assert settings
    reader, gone = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        for stdout, said in ((None, "Bad file descriptor"), (full.fileno(), "No space left on device"), (gone, None)):
            code, stderr = _run_without_output(command, stdout)
            told = sentences(stderr)
            assert code == 1, said
            assert (said in told and told.startswith("Error: ")) if said else told == ""
            assert told.count("\n") == (1 if said else 0)
    os.close(gone)


def test_a_place_that_cannot_be_written_is_told(settings: Settings, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for command in (("sample", "--out"), ("backup",)):
        code, _, told = run(*command, str(file))
        assert (code, told.count("\n")) == (1, 1), told
        assert "cannot be used: " in told, told
    with small_disk(tmp_path / "disk", 1) as disk:
        code, _, told = run("sample", "--out", str(disk.folder / "sample"), "--streams", "50000")
        assert (code, told.count("\n")) == (1, 1), told
        assert f"MB are free under {disk.folder}/sample" in told


def _run_without_output(command: Sequence[str], stdout: int | None) -> tuple[int, str]:
    """What a command ends with and says on standard error, whose standard output is this, or is closed."""
    if stdout is None:
        shell = ["sh", "-c", 'exec "$@" >&-', "sh", DATAFLOW, *command]
        done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        return done.returncode, done.stderr
    with tempfile.TemporaryFile("w+") as err:
        code = wait_for(start_dataflow(command, os.environ, (NOTHING, stdout, err.fileno())))
        err.seek(0)
        return code, err.read()
