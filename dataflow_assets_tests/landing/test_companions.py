"""Files beside the data: what a delivery waits for, and what its control file says of it."""

import hashlib
from dataclasses import replace

import pytest

from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.companions import Companions
from dataflow_assets.landing.deliveries import Expected
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import ControlFile, Source, find_source
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

USERS = find_source("users")
ROWS = "email,first_name,last_name\na@x,A,Aa\nb@x,B,Bb\n"
OF_ROWS = replace(USERS, control=ControlFile(name="{stem}.ctl", rows=r"rows=(\d+)"))
OF_BYTES = replace(USERS, control=ControlFile(name="{name}.md5", digest=r"^([0-9a-f]+) +{name}$"))


def missing(storage: Storage, source: Source, name: str = "a.csv") -> str | None:
    delivery = land(storage, source, name, ROWS)
    return Companions(storage, Expected.of([source], [DAY.isoformat()])).find_missing(delivery)


def ingested(storage: Storage, source: Source, *, name: str = "a.csv", release: bool = False) -> Intake:
    delivery = land(storage, source, name, ROWS)
    done = ingest(
        storage, source, delivery.object, "UTC", first_day=FIRST_DAY, release=delivery.etag if release else None
    )
    assert done
    return done


def test_a_delivery_waits_for_a_marker_of_its_day(storage: Storage) -> None:
    source = replace(USERS, complete_when="*.done")
    assert missing(storage, source) == "*.done"
    land(storage, source, "all.done", "")
    assert missing(storage, source) is None


def test_a_delivery_waits_for_a_marker_of_its_own(storage: Storage) -> None:
    source = replace(USERS, complete_when="{stem}.done")
    land(storage, source, "b.done", "")
    assert missing(storage, source, "a.csv.gz") == "{stem}.done"
    land(storage, source, "a.done", "")
    assert missing(storage, source, "a.csv.gz") is None


def test_a_marker_that_is_waited_for_is_no_data_whatever_it_is_called() -> None:
    source = replace(USERS, complete_when="{stem}.csv.fin")
    expected = Expected.of([source], [DAY.isoformat()])
    assert expected.is_ignored(f"landing/users/{DAY}/a.csv.fin")
    assert not expected.is_ignored(f"landing/users/{DAY}/a.csv")


def test_a_control_file_is_waited_for(storage: Storage) -> None:
    assert missing(storage, OF_ROWS) == "{stem}.ctl"
    land(storage, OF_ROWS, "a.ctl", "rows=2\n")
    assert missing(storage, OF_ROWS) is None


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        (OF_ROWS, "a.ctl", "file=a.csv\nrows=2\n"),
        (OF_BYTES, "a.csv.md5", f"{hashlib.md5(ROWS.encode()).hexdigest()}  a.csv\n"),
        (OF_BYTES, "a.csv.md5", f"{'0' * 32}  b.csv\n{hashlib.sha256(ROWS.encode()).hexdigest()}  a.csv\n"),
    ],
)
def test_what_its_control_file_says_too_is_loaded(storage: Storage, source: Source, name: str, text: str) -> None:
    land(storage, source, name, text)
    assert (found := ingested(storage, source)).quarantine_reason is None
    assert (found.delivered, found.accepted) == (2, 2)


@pytest.mark.parametrize(
    ("source", "name", "text", "reason"),
    [
        (OF_ROWS, "a.ctl", "rows=3", "Its control file a.ctl says 3 rows, but it holds 2."),
        (OF_ROWS, "a.ctl", "?", "Its control file a.ctl says no number of rows."),
        (OF_BYTES, "a.csv.md5", f"{'0' * 32}  b.csv", "Its control file a.csv.md5 says no checksum of a.csv."),
        (
            *(OF_BYTES, "a.csv.md5", f"{'0' * 32}  a.csv"),
            f"Its control file a.csv.md5 says the checksum {'0' * 32}, but it is "
            f"{hashlib.md5(ROWS.encode()).hexdigest()}.",
        ),
    ],
)
def test_what_its_control_file_contradicts_is_quarantined(
    local_storage: Storage, source: Source, name: str, text: str, reason: str
) -> None:
    land(local_storage, source, name, text)
    found = ingested(local_storage, source)
    assert (found.quarantine_reason, found.accepted) == (reason, 0)
    assert rows_table(local_storage, source).scan().collect().is_empty()
    assert ingested(local_storage, source, release=True).accepted == 2


OF_A_MANIFEST = replace(
    USERS, control=ControlFile(name="manifest.json", files='"file": "(.+?)"', rows='{name}".*?([0-9]+)')
)
MANIFEST = '{"file": "out/a.csv", "rows": 2}\n{"file": "out/b.csv", "rows": 7}\n'


def test_deliveries_wait_for_all_files_that_their_manifest_names(storage: Storage) -> None:
    assert missing(storage, OF_A_MANIFEST) == "manifest.json"
    land(storage, OF_A_MANIFEST, "manifest.json", MANIFEST)
    assert missing(storage, OF_A_MANIFEST) == "b.csv"
    assert missing(storage, OF_A_MANIFEST, "b.csv") is None
    assert missing(storage, OF_A_MANIFEST) is None


def test_a_manifest_is_compared_with_each_of_its_files(local_storage: Storage) -> None:
    land(local_storage, OF_A_MANIFEST, "manifest.json", MANIFEST)
    found = ingested(local_storage, OF_A_MANIFEST)
    assert (found.quarantine_reason, found.accepted) == (None, 2)
    assert ingested(local_storage, OF_A_MANIFEST, name="b.csv").quarantine_reason == (
        "Its control file manifest.json says 7 rows, but it holds 2."
    )


def test_a_file_that_its_manifest_does_not_name_is_quarantined(local_storage: Storage) -> None:
    source = replace(USERS, control=ControlFile(name="manifest.json", files='"file": "(.+?)"'))
    land(local_storage, source, "manifest.json", MANIFEST)
    found = ingested(local_storage, source, name="c.csv")
    assert (found.quarantine_reason, found.accepted) == ("Its control file manifest.json does not name it.", 0)


def test_a_marker_of_its_own_is_not_that_of_a_like_name_in_another_folder(storage: Storage) -> None:
    source = replace(USERS, complete_when="{stem}.done")
    land(storage, source, "eu/a.done", "")
    assert missing(storage, source, "us/a.csv") == "{stem}.done"
    assert missing(storage, source, "eu/a.csv") is None


def test_a_control_file_in_another_folder_is_not_that_of_a_delivery(storage: Storage) -> None:
    land(storage, OF_ROWS, "eu/a.ctl", "rows=3")
    assert missing(storage, OF_ROWS, "us/a.csv") == "{stem}.ctl"
    assert ingested(storage, OF_ROWS, name="eu/a.csv").quarantine_reason


@pytest.mark.parametrize("name", ["A.CTL", "a.ctl"])
@pytest.mark.parametrize("delivery", ["a.csv", "eu/a.csv"])
def test_a_control_file_is_compared_in_any_case_and_from_a_folder_above(
    storage: Storage, name: str, delivery: str
) -> None:
    land(storage, OF_ROWS, name, "rows=3")
    assert missing(storage, OF_ROWS, delivery) is None
    reason = f"Its control file {name} says 3 rows, but it holds 2."
    assert ingested(storage, OF_ROWS, name=delivery).quarantine_reason == reason


def test_a_manifest_speaks_for_the_folders_below(storage: Storage) -> None:
    land(storage, OF_A_MANIFEST, "manifest.json", MANIFEST)
    assert missing(storage, OF_A_MANIFEST, "out/a.csv") == "b.csv"
    found = ingested(storage, OF_A_MANIFEST, name="out/b.csv")
    assert found.quarantine_reason == "Its control file manifest.json says 7 rows, but it holds 2."


def test_a_count_without_end_is_none(local_storage: Storage) -> None:
    land(local_storage, OF_ROWS, "a.ctl", f"rows={'9' * 5000}")
    assert ingested(local_storage, OF_ROWS).quarantine_reason == "Its control file a.ctl says no number of rows."


def test_a_control_file_has_one_name() -> None:
    with pytest.raises(ValueError, match="stand in it"):
        ControlFile(name="*.ctl", rows=r"(\d+)")


def test_an_empty_control_file_says_nothing(local_storage: Storage) -> None:
    land(local_storage, OF_ROWS, "a.ctl", "")
    assert ingested(local_storage, OF_ROWS).quarantine_reason == "Its control file a.ctl says no number of rows."


def test_a_corrected_control_file_ends_the_quarantine(local_storage: Storage) -> None:
    land(local_storage, OF_ROWS, "a.ctl", "rows=3")
    assert ingested(local_storage, OF_ROWS).quarantine_reason
    land(local_storage, OF_ROWS, "a.ctl", "rows=2")
    found = ingested(local_storage, OF_ROWS)
    assert (found.quarantine_reason, found.accepted) == (None, 2)


@pytest.mark.parametrize("given", [{}, {"rows": r"\d+"}, {"rows": r"(\d)(\d)"}])
def test_a_control_file_must_say_something(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="control file"):
        ControlFile(name="x", **given)
