from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.errors import SettingsError
from dataflow_assets.settings import load_settings, variable_names

DEFAULTS = {
    "database_url": None,
    "s3_bucket": None,
    "region": "us-east-1",
    "log_level": "INFO",
    "timezone": "UTC",
    "first_day": date(2021, 11, 1),
    "sweep_minutes": 10,
    "keep_days": 30,
}


def _refusal() -> str:
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    return str(refusal.value)


def test_nothing_needs_to_be_set(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS


def test_an_empty_variable_counts_as_unset(clean_environment: pytest.MonkeyPatch) -> None:
    for name in variable_names() - {"DATAFLOW_HOME"}:
        clean_environment.setenv(name, "")
    settings = load_settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS


def test_the_home_folder_of_the_user_is_not_that_of_the_platform(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean_environment.delenv("DATAFLOW_HOME")
    clean_environment.setenv("HOME", str(tmp_path / "user"))
    clean_environment.chdir(tmp_path)
    assert load_settings().home == tmp_path / ".dataflow"


def test_folders_follow_from_the_home(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean_environment.setenv("HOME", str(tmp_path))
    clean_environment.setenv("DATAFLOW_HOME", "~/données")
    settings = load_settings()
    assert settings.home == tmp_path / "données"
    assert settings.dagster_home.is_relative_to(settings.home)
    assert settings.published_file.is_relative_to(settings.home)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("S3_BUCKET", "ab"),
        ("S3_BUCKET", "s3://bucket"),
        ("S3_BUCKET", "bucket/prefix"),
        ("AWS_ENDPOINT_URL", "localhost:9000"),
        ("AWS_ENDPOINT_URL", "http://[broken"),
        ("LOG_LEVEL", "LOUD"),
        ("DATAFLOW_HOME", "~nobody-of-this-name/data"),
        ("DATAFLOW_HOME", "data%20here"),
        ("DATAFLOW_HOME", "env=prod/data"),
        ("DATAFLOW_HOME", "data[1]"),
        ("DATAFLOW_TIMEZONE", "Mars/Olympus"),
        ("DATAFLOW_TIMEZONE", "../../etc/passwd"),
        ("DATAFLOW_TIMEZONE", "Europe"),
        ("DATAFLOW_TIMEZONE", "posix/Europe/Paris"),
        ("DATAFLOW_TIMEZONE", "localtime"),
        ("DATAFLOW_FIRST_DAY", "2021-13-01"),
        ("DATAFLOW_FIRST_DAY", "1635724800"),
        ("DATAFLOW_FIRST_DAY", "yesterday"),
        ("DATAFLOW_KEEP_DAYS", "0"),
        ("DATAFLOW_SWEEP_MINUTES", "0"),
        ("DATAFLOW_SWEEP_MINUTES", "soon"),
    ],
)
def test_a_wrong_value_is_named(clean_environment: pytest.MonkeyPatch, variable: str, value: str) -> None:
    clean_environment.setenv(variable, value)
    assert _refusal().startswith(f"{variable}={value!r} is not usable: ")


@pytest.mark.parametrize(
    "value",
    [
        "mysql://user:hunter2@host/db",
        "postgresql://user:hunter2@host",
        "postgresql://user:hunter2\u2100@host/db",  # Python's own error shows this one
        "postgresql://user:hunter2@[host/db",
    ],
)
def test_a_wrong_secret_is_not_shown(clean_environment: pytest.MonkeyPatch, value: str) -> None:
    clean_environment.setenv("DATABASE_URL", value)
    assert _refusal() == (
        "DATABASE_URL=******** is not usable: must look like postgresql://user:password@host:5432/database"
    )


def test_secrets_are_not_printed(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://user:hunter2@host/db")
    clean_environment.setenv("AWS_ACCESS_KEY_ID", "key")
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "REDIS_URL", "SECRET_KEY", "SENTRY_DSN"):
        clean_environment.setenv(name, "hunter2")
    assert "hunter2" not in repr(load_settings())


def test_each_wrong_value_is_named(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("LOG_LEVEL", "LOUD")
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Mars")
    refusal = _refusal()
    assert "LOG_LEVEL='LOUD'" in refusal
    assert "DATAFLOW_TIMEZONE='Mars'" in refusal


def test_half_a_pair_of_credentials_is_refused(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_ACCESS_KEY_ID", "key")
    assert _refusal() == "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together"


def test_the_region_has_a_first_and_a_second_choice(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert load_settings().region == "eu-west-3"
    clean_environment.setenv("AWS_REGION", "eu-west-1")
    assert load_settings().region == "eu-west-1"
