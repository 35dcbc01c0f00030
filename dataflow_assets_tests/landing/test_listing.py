"""What lies in landing, found folder by folder and page by page, whatever it is called."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.landing import listing
from dataflow_assets.landing.listing import end_of, find_folders, list_objects, walk
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.landing.stores import Gate, put_any

DAYS = [f"landing/users/2021-12-{day:02}/" for day in range(1, 10)]


def _put(storage: Storage, *keys: str) -> None:
    for key in keys:
        put_any(storage, key)


def _walked(storage: Storage, wanted: list[str], place: str = "") -> list[str]:
    folders, _ = find_folders(storage)
    return [listed.key for page in walk(storage, folders, wanted, place) for listed in page.objects]


def test_folders_are_found_in_order_and_so_is_what_lies_above_them(storage: Storage) -> None:
    keys = ["users/2021-12-02/b/c.csv", "users/2021-12-01/a.csv", "users-old/2021-12-01/a.csv", "users/today/a.csv"]
    _put(storage, *(f"landing/{key}" for key in keys), "landing/a.csv", "landing/users/b.csv", "lake/users/x/y")
    folders, beside = find_folders(storage)
    assert folders == [
        *("landing/users-old/2021-12-01/", "landing/users/2021-12-01/", "landing/users/2021-12-02/"),
        "landing/users/today/",
    ]
    assert sorted(listed.key for listed in beside) == ["landing/a.csv", "landing/users/b.csv"]
    assert {listed.size for listed in beside} == {1}


def test_an_empty_landing_has_no_folders(storage: Storage) -> None:
    assert find_folders(storage) == ([], [])
    assert list(walk(storage, [], [])) == []


def test_a_local_object_has_the_etag_by_which_it_is_opened(storage: Storage) -> None:
    _put(storage, "landing/a.csv", "landing/users/2021-12-01/a.csv")
    _, (above,) = find_folders(storage)
    for listed in (above, *list_objects(storage, "landing/users/")):
        assert listed == listing.base.as_listed(storage.store.head(listed.key))


def test_only_the_wanted_folders_are_walked_through_in_order(storage: Storage) -> None:
    other = "landing/users_old/2021-12-02/"
    keys = sorted(f"{folder}{name}" for folder in [*DAYS, other] for name in ("a.csv", "b/c.csv", "b-c.csv"))
    _put(storage, *keys)
    for wanted in (DAYS, DAYS[2:4], [DAYS[0], DAYS[5], DAYS[6]], [DAYS[-1], other], [DAYS[1]]):
        walked = _walked(storage, wanted)
        assert sorted(walked) == [key for key in keys if key.startswith(tuple(wanted))]
        assert all(one <= other for one, other in pairwise(key[: len(DAYS[0])] for key in walked))


MADE = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def filled(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> tuple[Storage, list[str]]:
    """A store with folders of 0 to 8 objects, listed by three."""
    monkeypatch.setattr(listing.base, "PAGE", 3)
    keys = [f"{folder}{name}.csv" for number, folder in enumerate(DAYS) for name in "abcdefgh"[:number]]
    _put(storage, *keys)
    return storage, keys


@MADE
@given(wanted=st.sets(st.sampled_from(DAYS), min_size=1), data=st.data())
def test_a_walk_goes_on_at_any_of_its_places(
    filled: tuple[Storage, list[str]], wanted: set[str], data: st.DataObject
) -> None:
    storage, keys = filled
    folders, _ = find_folders(storage)
    found: list[str] = []
    place: str | None = ""
    while place is not None:
        pages = walk(storage, folders, wanted, place)
        place = None
        for page in pages:
            found += [listed.key for listed in page.objects]
            if page.place and data.draw(st.booleans(), "stop"):
                place = page.place
                break
    assert sorted(found) == [key for key in keys if key.startswith(tuple(wanted))]


@given(st.dates(), st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_a_folder_ends_between_its_objects_and_the_next_folder(day: date, name: str) -> None:
    folder = f"landing/users/{day}/"
    assert folder + name < end_of(folder)
    if day < date.max:
        assert end_of(folder) < f"landing/users/{day + timedelta(days=1)}/"
    assert end_of(folder) < f"{folder[:-1]}0/"


ODD = {
    "local": ["2021-12-01/tab\tin.csv", "2021-12-02/new\nline/a.csv", "2021-12-\x7f/a.csv"],
    "s3": ["2021-12-01/tab\tin.csv", "/2021-12-01/a.csv", "2021-12-02//a.csv", "2021-12-02/../a.csv"],
}
SHOWN = {
    "local": {r"2021-12-01/tab\tin.csv", r"2021-12-02/new\nline", r"2021-12-\x7f"},
    "s3": {r"2021-12-01/tab\tin.csv", "/", "2021-12-02//a.csv", "2021-12-02/../a.csv"},
}


def test_a_name_that_cannot_be_read_stops_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing.base, "PAGE", 1)
    kind = "s3" if storage.uri.startswith("s3://") else "local"
    good = [f"landing/users/2021-12-0{day}/{name}.csv" for day in (1, 2, 3) for name in ("a", "tab", "z", "Zoë +%20")]
    _put(storage, *good, *(f"landing/users/{key}" for key in ODD[kind]), "landing/users/above.csv")
    folders, found = find_folders(storage)
    assert folders == DAYS[:3]
    for page in walk(storage, folders, folders):
        found += page.objects
        assert page.place is None or page.place in [*good, *map(end_of, folders)]
    assert sorted(listed.key for listed in found if listed.last_modified) == sorted([*good, "landing/users/above.csv"])
    odd = [listed for listed in found if not listed.last_modified]
    assert {listed.key for listed in odd} == {f"landing/users/{name}" for name in SHOWN[kind]}
    for listed in found:
        assert not listed.last_modified or listed == listing.base.as_listed(storage.store.head(listed.key))


def test_a_name_that_is_no_text_stops_nothing(local_storage: Storage) -> None:
    _put(local_storage, "landing/users/2021-12-01/a.csv")
    folder = f"{local_storage.uri}/landing/users/".encode()
    for name in (b"2021-12-01/\xff.csv", b"\xff.csv"):
        with open(folder + name, "wb"):  # noqa: PTH123
            pass
    folders, (above,) = find_folders(local_storage)
    assert (above.key, above.last_modified) == (r"landing/users/\udcff.csv", None)
    (page, *_) = walk(local_storage, folders, folders)
    assert sorted(listed.key for listed in page.objects) == [
        *(r"landing/users/2021-12-01/\udcff.csv", "landing/users/2021-12-01/a.csv"),
    ]


def test_a_file_that_is_about_to_be_renamed_is_not_there_yet(local_storage: Storage) -> None:
    _put(local_storage, "landing/users/2021-12-01/a.csv#1", "landing/users/a.csv#22")
    assert find_folders(local_storage) == (DAYS[:1], [])
    assert _walked(local_storage, DAYS) == []


def test_a_folder_made_in_a_console_is_no_object_beside_odd_names(s3_storage: Storage) -> None:
    _put(s3_storage, "landing/users/2021-12-01/a.csv", "landing/users/2021-12-01/tab\t.csv")
    put_any(s3_storage, "landing/users/2021-12-01/", b"")
    put_any(s3_storage, "landing/users/2021-12-01/z/", b"")
    found = list_objects(s3_storage, "landing/users/")
    assert sorted(listed.key.rsplit("/", 1)[1] for listed in found if listed.size) == ["a.csv", r"tab\t.csv"]


def test_folders_that_follow_each_other_are_one_request_on_s3(s3_storage: Storage, gate: Gate) -> None:
    storage = open_storage(load_settings())
    _put(storage, *(f"{folder}{name}.csv" for folder in DAYS for name in "abc"))
    folders, _ = find_folders(storage)
    assert gate.lists == 2
    for wanted, requests in ((DAYS, 1), (DAYS[2:5], 1), ([DAYS[0], DAYS[2], DAYS[3]], 2)):
        before = gate.lists
        assert sum(len(page.objects) for page in walk(storage, folders, wanted)) == 3 * len(wanted)
        assert gate.lists == before + requests
