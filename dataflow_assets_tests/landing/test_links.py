"""In a local landing folder only regular files, whose path has no link, are deliveries; all else is a stray."""

import ast
import os
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.landing import files
from dataflow_assets.landing.deliveries import Landing, ObjectChangedError, ObjectNameError
from dataflow_assets.landing.listing import find_folders, list_objects
from dataflow_assets.landing.listing.base import Listed
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets_tests.landing.stores import land

FOLDER = "landing/users/2021-12-01"


def listed(storage: Storage) -> dict[str, Listed]:
    """All that is listed, whichever way, by key."""
    folders, above = find_folders(storage)
    walked = [one for folder in folders for one in list_objects(storage, folder)]
    assert {one.key for one in (*above, *walked)} == {one.key for one in list_objects(storage, "landing/")}
    return {one.key: one for one in (*above, *walked)}


def link_to_file(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def link_to_folder(path: Path, secret: Path) -> None:
    path.symlink_to(secret.parent, target_is_directory=True)


def link_to_itself(path: Path, _: Path) -> None:
    path.symlink_to(path.name)


def link_to_nothing(path: Path, _: Path) -> None:
    path.symlink_to("nowhere")


def hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


ODD: dict[Callable[[Path, Path], None], str] = {
    link_to_file: files.SYMBOLIC_LINK,
    link_to_folder: files.SYMBOLIC_LINK,
    link_to_itself: files.SYMBOLIC_LINK,
    link_to_nothing: files.SYMBOLIC_LINK,
    pipe: files.NO_FILE,
    hard_link: files.HARD_LINK,
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret" / "2021-12-01" / "of-root.csv"
    path.parent.mkdir(parents=True)
    path.write_text("the text of a file that its sender must not read")
    return path


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}/deeper", "landing/users", "landing"])
def test_what_is_no_plain_file_is_a_stray_and_stops_nothing(
    local_storage: Storage, secret: Path, make: Callable[[Path, Path], None], place: str
) -> None:
    good = land(local_storage, "users", "good.csv", "x")
    folder = Path(local_storage.uri, place)
    folder.mkdir(exist_ok=True)
    make(folder / "odd", secret)
    found = listed(local_storage)
    assert {key for key, one in found.items() if one.last_modified} == {good.object}
    assert found[f"{place}/odd"].fault == ODD[make]
    assert found.keys() == {good.object, f"{place}/odd"}
    landing = Landing(local_storage)
    assert list(landing.deliveries()) == [good]
    assert landing.current(f"{place}/odd") is None
    assert landing.current(f"{place}/odd/of-root.csv") is None


@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}/deeper"])
def test_a_link_put_in_place_of_a_delivery_is_not_read(local_storage: Storage, secret: Path, place: str) -> None:
    delivery = land(local_storage, "users", "deeper/a.csv", "x")
    path = Path(local_storage.uri, place)
    path = path / "deeper/a.csv" if place == FOLDER else path
    path.rename(path.with_name("aside"))
    path.symlink_to(secret if path.suffix else secret.parent)
    with pytest.raises(ObjectChangedError), Landing(local_storage).lend(delivery):
        pass


def test_a_link_put_there_while_a_file_is_lent_is_not_read(local_storage: Storage, secret: Path) -> None:
    delivery = land(local_storage, "users", "a.csv", "its own text")
    path = Path(local_storage.uri, delivery.object)
    with Landing(local_storage).lend(delivery) as lent:
        path.rename(path.with_name("aside"))
        path.symlink_to(secret)
        assert lent.read_text() == "its own text"
        path.unlink()
        path.with_name("aside").rename(path)


def test_landing_itself_may_be_a_link(local_storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Path(local_storage.uri, "landing").symlink_to(tmp_path / "disk")
    good = land(local_storage, "users", "good.csv", "x")
    assert listed(local_storage).keys() == {good.object}
    with Landing(local_storage).lend(good) as path:
        assert path.read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists every folder")
def test_a_closed_folder_is_a_stray_of_its_own(local_storage: Storage) -> None:
    good = land(local_storage, "users", "good.csv", "x")
    closed = Path(local_storage.uri, "landing/users/2021-12-02")
    closed.mkdir()
    closed.chmod(0)
    found = listed(local_storage)
    assert found["landing/users/2021-12-02"].fault == "cannot be listed (Permission denied)"
    assert found.keys() == {good.object, "landing/users/2021-12-02"}
    closed.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; as one, the test above runs")
def test_a_folder_that_is_closed_to_an_ordinary_user_is_a_stray_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        storage = open_folder(Path(folder))
        for day in (1, 2):
            Path(folder, f"landing/users/2021-12-0{day}").mkdir(parents=True)
            Path(folder, f"landing/users/2021-12-0{day}/a.csv").write_text("x")
        for name, mode in {"": 0o755, "/users": 0o755, "/users/2021-12-01": 0o755, "/users/2021-12-02": 0o700}.items():
            Path(f"{folder}/landing{name}").chmod(mode)  # whatever the umask
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.setuid(65_534)
            found = {one.key: one.last_modified is None and one.fault for one in list_objects(storage, "landing/")}
            os.write(writer, repr(found).encode())
            os._exit(0)
        os.close(writer)
        with open(reader) as answer:  # noqa: PTH123
            assert ast.literal_eval(answer.read()) == {
                "landing/users/2021-12-01/a.csv": False,
                "landing/users/2021-12-02": "cannot be listed (Permission denied)",
            }
        os.waitpid(child, 0)


def test_nothing_is_landed_through_a_link(tmp_path: Path) -> None:
    storage, elsewhere, file = open_folder(tmp_path / "home"), tmp_path / "elsewhere", tmp_path / "a.csv"
    elsewhere.mkdir()
    file.write_text("x")
    users = tmp_path / "home" / "landing" / "users"
    users.mkdir(parents=True)
    (users / "2021-12-01").symlink_to(elsewhere, target_is_directory=True)
    (users / "2021-12-02").mkdir()
    (users / "2021-12-02" / "within").symlink_to(elsewhere, target_is_directory=True)
    for day, name in ((1, "a.csv"), (2, "within/a.csv"), (2, "within/new/a.csv")):
        for put in (Landing(storage).put, Landing(storage).put_new):
            with pytest.raises(ObjectNameError, match="is a symbolic link"):
                put("users", date(2021, 12, day), file, name)
    assert list(elsewhere.iterdir()) == []
