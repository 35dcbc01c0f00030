"""A database and its lake in one folder, and back: whole, of one moment, and never in place of another."""

import shutil
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg2
import pytest
from pydantic import SecretStr

from benchmarks.ground.servers import EMBEDDED, execute, make_database, server
from dataflow_assets.doctor import contents
from dataflow_assets.errors import BackupError, LakeMismatchError, WarehouseUnavailableError
from dataflow_assets.lake import copy
from dataflow_assets.lake.copy import copy_object
from dataflow_assets.lake.lake_id import LAKE_ID
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.postgres.dump import dump_database, restore_database
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.backup import back_up, restore
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.loading import ask
from dataflow_assets_tests.orchestration.builders import session
from dataflow_assets_tests.warehouse.builders import ask as ask_of
from dataflow_assets_tests.warehouse.test_lake_of_the_database import bring, titles


def silent(_: str) -> None:
    """Hear what is being done."""


def save(settings: Settings, folder: Path) -> Path:
    back_up(open_warehouse(settings), open_storage(settings), all_sources(), folder, silent)
    return folder


def bring_back(settings: Settings, folder: Path) -> None:
    assert settings.database_url
    restore(settings.database_url.get_secret_value(), open_storage(settings), all_sources(), folder, silent)


@pytest.fixture
def empty(settings: Settings, empty_database_url: str) -> Settings:
    """The settings of a new platform."""
    other = {"home": settings.home.with_name("new"), "database_url": SecretStr(empty_database_url), "s3_bucket": None}
    return settings.model_copy(update=other)


def in_new_bucket(settings: Settings) -> Settings:
    bucket = f"bucket-{uuid.uuid4().hex}"
    url = f"{settings.aws_endpoint_url}/{bucket}"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
    return settings.model_copy(update={"s3_bucket": bucket})


def test_what_was_backed_up_is_restored_and_goes_on(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"), "x,never")
    folder = save(settings, tmp_path / "backup")
    assert folder.stat().st_mode & 0o777 == 0o700
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    bring_back(empty, folder)
    assert (titles(empty), titles(settings)) == (["A"], ["A", "B"])
    assert ask(empty, "SELECT accepted, rejected FROM ledger.deliveries") == [(1, 1)]
    assert contents.lake(empty).state == "ok"
    bring(empty, "c.csv", session("2021-12-03T10:00", movie="C"))
    assert titles(empty) == ["A", "C"]


@pytest.mark.parametrize("goes_to_s3", [False, True])
def test_a_lake_on_s3_is_backed_up_and_restored(
    settings: Settings, s3_storage: Storage, empty: Settings, tmp_path: Path, *, goes_to_s3: bool
) -> None:
    on_s3 = load_settings()
    assert on_s3.s3_bucket
    bring(on_s3, "a.csv", session("2021-12-01T10:00", movie="A"))
    folder = save(on_s3, tmp_path / "backup")
    new = in_new_bucket(on_s3).model_copy(update={"database_url": empty.database_url}) if goes_to_s3 else empty
    bring_back(new, folder)
    assert titles(new) == ["A"]
    assert contents.lake(new).state == "ok"


@pytest.mark.parametrize("part", ["database.dump", "lake", "lake/streams", "manifest.json"])
def test_parts_of_two_backups_are_refused(settings: Settings, empty: Settings, tmp_path: Path, part: str) -> None:
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    older = save(settings, tmp_path / "older")
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    newer = save(settings, tmp_path / "newer")
    (shutil.rmtree if (newer / part).is_dir() else Path.unlink)(newer / part)
    (shutil.copytree if (older / part).is_dir() else shutil.copy)(older / part, newer / part)
    with pytest.raises(BackupError, match=r"does not hold one whole backup: .* a database and a lake of two moments"):
        bring_back(empty, newer)
    assert ask(empty, "SELECT to_regnamespace('ledger')::text") == [(None,)]
    assert not (empty.home / "lake").exists()


def test_a_backup_that_lost_a_file_is_refused(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    folder = save(settings, tmp_path / "backup")
    next((folder / "lake/streams").rglob("*.parquet")).unlink()
    with pytest.raises(BackupError, match="the table streams lacks 1 of its files"):
        bring_back(empty, folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BackupError, match="is no backup, or one that was not finished"):
        bring_back(empty, folder)


def test_nothing_that_is_there_is_written_over(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with pytest.raises(BackupError, match="There is no lake at"):
        save(settings, folder)
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    save(settings, folder)
    with pytest.raises(BackupError, match="is not empty; name a new folder"):
        save(settings, folder)
    with pytest.raises(BackupError, match=r"is in use\. Nothing was restored"):
        bring_back(settings, folder)
    in_use = empty.model_copy(update={"home": settings.home})
    with pytest.raises(BackupError, match=r"There is a lake at .* Nothing was restored"):
        bring_back(in_use, folder)


def test_a_backup_that_failed_leaves_nothing_and_can_be_made_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    with monkeypatch.context() as failing:
        failing.setattr(copy, "copy_lake_id", Mock(side_effect=InterruptedError))
        with pytest.raises(InterruptedError):
            save(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert (save(settings, tmp_path / "backup") / "manifest.json").is_file()


@pytest.mark.parametrize("copied", [0, 1, 5, "all but the id"])
def test_a_restore_that_was_stopped_goes_on(
    settings: Settings, empty: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int | str
) -> None:
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    older = save(settings, tmp_path / "older")
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    folder, done = save(settings, tmp_path / "backup"), list[str]()
    bring(settings, "c.csv", session("2021-12-03T10:00", movie="C"))
    newer = save(settings, tmp_path / "newer")

    def copy_few(source: Storage, key: str, target: Storage) -> None:
        if len(done) == copied or key == LAKE_ID:
            raise InterruptedError
        done.append(key)
        copy_object(source, key, target)

    with monkeypatch.context() as stopping:
        stopping.setattr(copy, "copy_object", copy_few)
        with pytest.raises(InterruptedError):
            bring_back(empty, folder)
    for use in (open_warehouse, contents.lake):
        with pytest.raises(LakeMismatchError, match="run the same `dataflow restore` again, which goes on"):
            use(empty)
    for other in (older, newer):
        with pytest.raises(BackupError, match=r"is in use\. Nothing was restored"):
            bring_back(empty, other)
    bring_back(empty, folder)
    assert titles(empty) == ["A", "B"]
    assert contents.lake(empty).state == "ok"
    assert {path.name for path in (empty.home / "lake").iterdir() if path.is_file()} == {"lake_id"}
    with pytest.raises(BackupError, match=r"is in use\. Nothing was restored"):
        bring_back(empty, folder)


def test_a_dump_that_is_read_in_part_leaves_nothing(database_url: str, empty_database_url: str, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump_database(database_url, dump)
    ask_of(empty_database_url, "CREATE SCHEMA warehouse; SELECT")  # which comes after that of the ledger
    with pytest.raises(WarehouseUnavailableError, match="The restore failed for the database at"):
        restore_database(empty_database_url, dump)
    assert ask_of(empty_database_url, "SELECT to_regnamespace('ledger')::text") == [(None,)]


def test_a_dump_that_is_cut_leaves_nothing(database_url: str, empty_database_url: str, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump_database(database_url, dump)
    dump.write_bytes(dump.read_bytes()[:-1000])
    with pytest.raises(WarehouseUnavailableError, match=r"The restore failed for the database at .*end of file"):
        restore_database(empty_database_url, dump)
    assert ask_of(empty_database_url, "SELECT to_regnamespace('ledger')::text") == [(None,)]


def test_a_server_before_17_is_backed_up_and_restored_without_what_a_superuser_added(
    settings: Settings, empty: Settings, tmp_path: Path
) -> None:
    with server(EMBEDDED / "pginstall/bin") as admin:
        one, another = make_database(admin, "one"), make_database(admin, "another")
        upgrade(one)
        old = settings.model_copy(update={"database_url": SecretStr(one)})
        bring(old, "a.csv", session("2021-12-01T10:00", movie="A"))
        as_superuser = admin.rpartition("/")[0] + "/one"
        execute(as_superuser, "CREATE EXTENSION vector", "CREATE PUBLICATION everything FOR ALL TABLES")
        folder = save(old, tmp_path / "backup")
        new = empty.model_copy(update={"database_url": SecretStr(another)})
        bring_back(new, folder)
        assert titles(new) == ["A"]
        assert ask(new, "SELECT extname FROM pg_extension") == [("plpgsql",)]
        execute(as_superuser, "CREATE TABLE warehouse.closed (a int)")
        with pytest.raises(WarehouseUnavailableError, match="permission denied for table closed"):
            save(old, tmp_path / "refused")
        assert ask(new, "SELECT current_setting('server_version_num')::int / 10000") == [(16,)]


def test_a_password_is_neither_on_the_command_line_nor_in_the_error(database_url: str, tmp_path: Path) -> None:
    made: dict[str, Any] = psycopg2.extensions.parse_dsn(database_url)
    url = f"postgresql://nobody:hunter2hunter2@{made['host']}:{made['port']}/{made['dbname']}"
    dump_database(database_url, tmp_path / "dump")
    with pytest.raises(WarehouseUnavailableError, match="The restore failed for the database at") as refused:
        restore_database(url, tmp_path / "dump")
    assert "hunter2hunter2" not in str(refused.value)
