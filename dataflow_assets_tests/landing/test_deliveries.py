import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import LocalStore

from dataflow_assets.errors import NotFoundError
from dataflow_assets.landing.deliveries import (
    Delivery,
    Landing,
    ObjectChangedError,
    ObjectNameError,
    parse_object_key,
)
from dataflow_assets.landing.storage import Storage
from dataflow_assets_tests.landing.stores import DAY, land

NAMES = [
    "plain.csv",
    "with space.csv",
    "a+b&c=d.csv",
    "100%.csv",
    "a%20b.csv",
    "Zoë und 日本 🎬.csv",
    "e\u0301.csv",  # an accent of its own
    "what?.csv",
    "part[1]*.csv",
    "#hash~tilde.csv",
    "quote'\".csv",
    "back\\slash.csv",
    "folder/deeper/name.csv",
    ".hidden",
    "no-ending",
    "n" * 250,
]


def _made(source: str = "users", day: date = DAY, key: str = "k", etag: str = "e", size: int = 1) -> Delivery:
    moment = datetime(2021, 12, 1, tzinfo=UTC)
    return Delivery(source=source, day=day, object=key, etag=etag, size=size, last_modified=moment)


# the layout


@given(st.text(alphabet=st.characters(exclude_characters="/"), min_size=1), st.dates(), st.text(min_size=1))
def test_a_key_says_source_day_and_name(source: str, day: date, name: str) -> None:
    assert parse_object_key(f"landing/{source}/{day.isoformat()}/{name}") == (source, day, name)


@pytest.mark.parametrize(
    "key",
    [
        "lake/users/2021-12-01/a.csv",
        "landing/users/2021-12-01/",
        "landing/users/2021-12-01",
        "landing/users/2021-13-01/a.csv",
        "landing/users/20211201/a.csv",
        "landing/users/2021-W48-3/a.csv",
        "landing/users/today/a.csv",
        "landing//2021-12-01/a.csv",
        "a.csv",
        "",
    ],
)
def test_what_is_outside_the_layout_is_no_delivery(key: str) -> None:
    assert parse_object_key(key) is None


# the small key


def test_the_small_key_is_for_ever() -> None:
    made = _made("streams", date(2021, 12, 1), "landing/streams/2021-12-01/streams.csv")
    assert made.id == 4557638079292074742


@given(st.text(), st.dates(), st.text())
def test_the_small_key_fits_a_signed_column(source: str, day: date, key: str) -> None:
    assert 0 <= _made(source, day, key).id < 2**63


def test_the_small_key_is_that_of_the_object_not_of_its_version() -> None:
    assert _made(etag="old", size=1).id == _made(etag="new", size=2).id


def test_small_keys_differ() -> None:
    others = [_made("movies"), _made(day=date(2021, 12, 2)), _made(key="K"), _made("users\0", key="k"), _made()]
    assert len({made.id for made in others}) == len(others)


# listing


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_is_landed_listed_and_lent(storage: Storage, name: str) -> None:
    landing = Landing(storage)
    delivery = land(storage, "users", name, b"body of it")
    assert delivery.object == f"landing/users/2021-12-01/{name}"
    assert list(landing.deliveries()) == [delivery]
    with landing.lend(delivery) as path:
        assert path.read_bytes() == b"body of it"


def test_a_delivery_says_what_it_is(storage: Storage) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    delivery = land(storage, "users", "a.csv", b"12345")
    assert (delivery.source, delivery.day, delivery.size) == ("users", DAY, 5)
    assert before <= delivery.last_modified <= datetime.now(UTC)


def test_listing_takes_a_source_or_a_day_of_it(storage: Storage) -> None:
    places = [("users", DAY), ("users", date(2021, 12, 2)), ("users_old", DAY)]
    first, second, _ = landed = [land(storage, source, "a.csv", b"x", day) for source, day in places]
    landing = Landing(storage)
    assert sorted(landing.deliveries(), key=lambda found: found.object) == sorted(landed, key=lambda made: made.object)
    assert {found.object for found in landing.deliveries("users")} == {first.object, second.object}
    assert list(landing.deliveries("users", DAY)) == [first]
    assert not list(landing.deliveries("movies"))


def test_nothing_landed_is_nothing_listed(storage: Storage) -> None:
    assert not list(Landing(storage).deliveries())


def test_listing_does_not_end_at_a_thousand(storage: Storage) -> None:
    first = land(storage, "users", "0.csv", b"x")
    for number in range(1, 1_003):
        obstore.put(storage.store, f"landing/users/2021-12-01/{number}.csv", b"x")
    found = [delivery.object for delivery in Landing(storage).deliveries("users", DAY)]
    assert len(found) == len(set(found)) == 1_003
    assert first.object in found


def test_strangers_in_the_bucket_are_passed_over(storage: Storage) -> None:
    for key in ("landing/readme.txt", "landing/users/notes/a.csv", "lake/users/x.parquet", "a.csv"):
        obstore.put(storage.store, key, b"x")
    assert not list(Landing(storage).deliveries())


def test_a_folder_made_in_a_console_is_no_delivery(s3_storage: Storage) -> None:
    obstore.put(s3_storage.store, "landing/users/2021-12-01", b"")
    assert not list(Landing(s3_storage).deliveries())


def test_a_folder_is_no_object(local_storage: Storage) -> None:
    land(local_storage, "users", "folder/a.csv", b"x")
    assert Landing(local_storage).current("landing/users/2021-12-01/folder") is None


def test_a_name_that_cannot_be_read_is_passed_over(local_storage: Storage) -> None:
    delivery = land(local_storage, "users", "a.csv", b"x")
    Path(local_storage.uri, "landing/users/2021-12-01/tab\t.csv").write_bytes(b"x")
    assert list(Landing(local_storage).deliveries("users")) == [delivery]


# putting


def test_an_object_keeps_its_files_name_unless_it_gets_another(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "given.csv"
    file.write_bytes(b"x")
    put = Landing(storage).put("users", DAY, file)
    assert put.object == "landing/users/2021-12-01/given.csv"
    assert Landing(storage).current(put.object) == put
    assert Landing(storage).put("users", DAY, file, "other.csv").object == "landing/users/2021-12-01/other.csv"


def test_a_repeat_replaces_the_object(storage: Storage) -> None:
    old, new = land(storage, "users", "a.csv", b"old"), land(storage, "users", "a.csv", b"newer")
    assert list(Landing(storage).deliveries()) == [new]
    assert (old.id, old.object) == (new.id, new.object)
    assert (old.etag, old.size) != (new.etag, new.size)


def test_an_equal_file_leaves_the_object_and_another_replaces_it(storage: Storage, tmp_path: Path) -> None:
    landing, path = Landing(storage), tmp_path / "a.csv"
    path.write_bytes(b"one")
    first = landing.put_changed("users", DAY, path)
    again = landing.put_changed("users", DAY, path)
    assert (again.etag, again.size) == (first.etag, first.size)
    path.write_bytes(b"two")
    other = landing.put_changed("users", DAY, path)
    assert other.etag != first.etag
    with landing.lend(other) as lent:
        assert lent.read_bytes() == b"two"


def test_what_has_landed_is_on_the_disk(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Path(local_storage.uri, "landing", "users", "2021-12-01")
    on_disk: list[tuple[Path, bool]] = []  # what, and whether the file could be seen then

    def note(number: int, sync: Callable[[int], None] = os.fsync) -> None:
        sync(number)
        on_disk.append((Path(f"/proc/self/fd/{number}").readlink(), (day / "a.csv").exists()))

    monkeypatch.setattr(os, "fsync", note)
    land(local_storage, "users", "a.csv", b"x")
    *folders, (file, could_be_seen), name = on_disk
    assert [folder for folder, _ in folders] == [day.parents[2], day.parents[1], day.parent]
    assert (file.parent, could_be_seen) == (day, False)
    assert name == (day, True)


def test_who_reads_the_older_body_goes_on_reading_it(local_storage: Storage) -> None:
    delivery = land(local_storage, "users", "a.csv", b"older body")
    with Path(local_storage.uri, delivery.object).open("rb") as reader:
        start = reader.read(5)
        land(local_storage, "users", "a.csv", b"another")
        assert start + reader.read() == b"older body"


def test_an_empty_file_lands(storage: Storage) -> None:
    assert land(storage, "users", "empty.csv", b"").size == 0


def test_a_large_file_lands_whole(storage: Storage) -> None:
    body = os.urandom(12 << 20)  # more than one part of a multipart upload
    delivery = land(storage, "users", "large.csv", body)
    with Landing(storage).lend(delivery) as path:
        assert path.read_bytes() == body


@pytest.mark.parametrize("name", ["../up.csv", "..", "a//b.csv", "a/", "/a.csv", "new\nline.csv", "a.csv#1"])
def test_a_name_that_would_not_be_found_again_is_refused(storage: Storage, tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"x")
    with pytest.raises(ObjectNameError, match="cannot be the name of a landed object"):
        Landing(storage).put("users", DAY, file, name)
    assert not list(Landing(storage).deliveries())


def test_a_file_that_is_not_there_is_refused(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"There is no file {tmp_path / 'absent.csv'}"):
        Landing(storage).put("users", DAY, tmp_path / "absent.csv")


def test_a_file_that_fails_to_land_leaves_nothing(local_storage: Storage, tmp_path: Path) -> None:
    Path(local_storage.uri, "landing").write_bytes(b"a file where the folder should be")
    file = tmp_path / "a.csv"
    file.write_bytes(b"x" * (6 << 20))
    with pytest.raises(Exception, match="landing"):
        Landing(local_storage).put("users", DAY, file)
    Path(local_storage.uri, "landing").unlink()
    assert not list(Path(local_storage.uri).rglob("*a.csv*"))


# lending


def _replace(storage: Storage, delivery: Delivery) -> None:
    obstore.put(storage.store, delivery.object, b"another body")


def _replace_by_as_much(storage: Storage, delivery: Delivery) -> None:
    obstore.put(storage.store, delivery.object, b"BODY")


def _remove(storage: Storage, delivery: Delivery) -> None:
    obstore.delete(storage.store, delivery.object)


CHANGES = pytest.mark.parametrize("change", [_replace, _replace_by_as_much, _remove])
Change = Callable[[Storage, Delivery], None]


@CHANGES
def test_an_older_version_is_not_lent(storage: Storage, change: Change) -> None:
    delivery = land(storage, "users", "a.csv", b"body")
    change(storage, delivery)
    with pytest.raises(ObjectChangedError, match=delivery.object), Landing(storage).lend(delivery):
        pytest.fail("it was lent")


@CHANGES
def test_a_change_during_the_reading_is_noticed(storage: Storage, change: Change) -> None:
    delivery = land(storage, "users", "a.csv", b"body")
    with pytest.raises(ObjectChangedError, match=delivery.object), Landing(storage).lend(delivery):
        change(storage, delivery)


def test_what_failed_over_a_changed_object_failed_because_of_the_change(storage: Storage) -> None:
    delivery = land(storage, "users", "a.csv", b"body")

    def fail() -> None:
        _remove(storage, delivery)
        raise FileNotFoundError(delivery.object)

    with pytest.raises(ObjectChangedError), Landing(storage).lend(delivery):
        fail()


def test_what_failed_over_an_object_at_rest_is_told_as_it_is(storage: Storage) -> None:
    delivery = land(storage, "users", "a.csv", b"body")
    with pytest.raises(ZeroDivisionError), Landing(storage).lend(delivery):
        raise ZeroDivisionError


def test_a_lent_copy_is_gone_afterwards(s3_storage: Storage) -> None:
    delivery = land(s3_storage, "users", "a.csv", b"body")
    with Landing(s3_storage).lend(delivery) as path:
        assert path.name == "a.csv"
    assert not path.parent.exists()


def test_a_name_too_long_for_a_file_system_is_lent(s3_storage: Storage) -> None:
    delivery = land(s3_storage, "users", "é" * 250 + ".csv", b"body")
    with Landing(s3_storage).lend(delivery) as path:
        assert path.read_bytes() == b"body"


def test_a_download_is_of_one_version(s3_storage: Storage) -> None:
    """The object is replaced after it was looked at and before it is read."""
    delivery = land(s3_storage, "users", "a.csv", b"body")
    landing = Landing(s3_storage)
    _replace(s3_storage, delivery)
    with pytest.raises(ObjectChangedError):
        landing._download(delivery, Path("never-written"))


def test_a_local_object_is_not_copied(local_storage: Storage) -> None:
    assert isinstance(local_storage.store, LocalStore)
    delivery = land(local_storage, "users", "a.csv", b"body")
    with Landing(local_storage).lend(delivery) as path:
        assert path.samefile(Path(local_storage.uri) / delivery.object)
        assert path.name == "a.csv"


def test_an_object_that_is_gone_has_no_version(storage: Storage) -> None:
    delivery = land(storage, "users", "a.csv", b"body")
    assert Landing(storage).current(delivery.object) == delivery
    _remove(storage, delivery)
    assert Landing(storage).current(delivery.object) is None
