from datetime import date
from pathlib import Path

import pytest

import dataflow_assets
from dataflow_assets.errors import SettingsError
from dataflow_assets.setting_values import require_whole_password, split_alert_urls
from dataflow_assets.settings import load_settings, variable_names
from dataflow_assets_tests.conftest import REPOSITORY

DEFAULTS = {
    "database_url": None,
    "s3_bucket": None,
    "region": None,
    "log_level": "INFO",
    "timezone": "UTC",
    "first_day": date(2021, 11, 1),
    "discovery_minutes": 10,
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
        ("DATAFLOW_MERGE_AFTER_DAYS", "0"),
        ("S3_EVENTS_QUEUE_URL", "arn:aws:sqs:eu-west-1:1:landing"),
        ("DATAFLOW_LISTING_MINUTES", "0"),
        ("DATAFLOW_DISCOVERY_MINUTES", "0"),
        ("DATAFLOW_DISCOVERY_MINUTES", "soon"),
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


@pytest.mark.parametrize("password", ["hun@ter2", "hun/ter2", "hun#ter2", "a@b@c"])
def test_a_password_that_drivers_would_cut_is_refused(clean_environment: pytest.MonkeyPatch, password: str) -> None:
    for variable, scheme in (("DATABASE_URL", "postgresql"), ("REDIS_URL", "rediss")):
        with clean_environment.context() as environment:
            environment.setenv(variable, f"{scheme}://user:{password}@host/0")
            assert _refusal() == (
                f"{variable}=******** is not usable: must have %40 for @, %2F for / and %23 for # in its password"
            )


@pytest.mark.parametrize(
    "url", ["sqlite:////data/me@corp/orders.db", "postgresql://me@host/d@b", "adbc:sqlite:file:///a@b"]
)
def test_a_url_without_a_password_may_hold_what_would_cut_one(url: str) -> None:
    require_whole_password(url)


def test_a_password_that_command_lines_would_show_is_refused(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://host/db?user=name&password=hunter2")
    assert _refusal().startswith("DATABASE_URL=******** is not usable: must have its password before the host")


@pytest.mark.parametrize("value", ["hunter2", "https://sentry.example/hunter2", "https://hunter2@sentry.example/team"])
def test_a_wrong_dsn_is_not_shown(clean_environment: pytest.MonkeyPatch, value: str) -> None:
    clean_environment.setenv("SENTRY_DSN", value)
    assert _refusal() == (
        "SENTRY_DSN=******** is not usable: must look like https://key@host/project, where the project is a number"
    )


@pytest.mark.parametrize(
    ("urls", "why"),
    [
        ("hunter2", "URL 1 is none that apprise knows"),
        ("json://a.example nonsense://hunter2", "URL 2 is none that apprise knows"),
        ("json://a.example,slack://hunter2", "URL 2 is none that apprise knows"),
        ("mailto://user:hunter2@mail.example", "URL 1 sends a password without TLS; write mailtos://"),
        ("mailtos://user:hunter2@mail.example?mode=insecure", "URL 1 sends a password without TLS; write mailtos://"),
        ("mailto://user:hunter2@mail.example?to=nobody", "URL 1 names nobody who gets the mail"),
    ],
)
def test_a_wrong_alert_url_is_counted_and_not_shown(
    clean_environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, urls: str, why: str
) -> None:
    clean_environment.setenv("DATAFLOW_ALERT_URLS", urls)
    refusal = _refusal()
    assert refusal.startswith(f"DATAFLOW_ALERT_URLS=******** is not usable: {why}")
    assert "hunter2" not in refusal + caplog.text


@pytest.mark.parametrize(
    "urls",
    [
        "mailto://user:hunter2@localhost",  # a password stays on this machine
        "mailto://user:hunter2@mail.example?smtp=127.0.0.1",
        "mailto://mail.example?from=a@mail.example&to=b@mail.example",  # no password
        "mailtos://user:hunter2@mail.example",
        "mailto://user:hunter2@gmail.com",  # which apprise reaches by TLS in any case
    ],
)
def test_mail_without_an_open_password_is_usable(clean_environment: pytest.MonkeyPatch, urls: str) -> None:
    clean_environment.setenv("DATAFLOW_ALERT_URLS", urls)
    assert load_settings().alert_urls


def test_commas_inside_an_alert_url_do_not_split_it() -> None:
    urls = "mailtos://u:p@mail.example?to=a@mail.example,b@mail.example,json://a.example\n jsons://b.example;"
    assert split_alert_urls(urls) == [
        "mailtos://u:p@mail.example?to=a@mail.example,b@mail.example",
        "json://a.example",
        "jsons://b.example",
    ]


def test_secrets_are_not_printed(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://user:hunter2@host/db")
    clean_environment.setenv("AWS_ACCESS_KEY_ID", "key")
    clean_environment.setenv("SENTRY_DSN", "https://hunter2@sentry.example/1")
    clean_environment.setenv("DATAFLOW_ALERT_URLS", "mailtos://user:hunter2@mail.example")
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
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


def test_a_queue_without_a_bucket_is_refused(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("S3_EVENTS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/landing")
    assert _refusal() == "S3_EVENTS_QUEUE_URL tells of a bucket: set S3_BUCKET too"


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"S3_BUCKET": "bucket"}, None),
        ({"S3_BUCKET": "bucket", "S3_EVENTS_QUEUE_URL": "http://127.0.0.1:1/1/landing"}, 3600),
        ({"S3_BUCKET": "bucket", "DATAFLOW_LISTING_MINUTES": "5"}, 300),
        ({"DATAFLOW_LISTING_MINUTES": "5"}, None),
    ],
)
def test_only_a_bucket_that_tells_is_swept(
    clean_environment: pytest.MonkeyPatch, variables: dict[str, str], seconds: float | None
) -> None:
    for name, value in variables.items():
        clean_environment.setenv(name, value)
    assert load_settings().listing_seconds == seconds


def test_the_region_has_a_first_and_a_second_choice(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert load_settings().region == "eu-west-3"
    clean_environment.setenv("AWS_REGION", "eu-west-1")
    assert load_settings().region == "eu-west-1"


def test_settings_come_in_at_the_top_alone() -> None:
    """Everything below is given what it needs, so that two platforms in one process never meet."""
    package = Path(dataflow_assets.__file__).parent
    at_the_top = {"settings.py", "definitions.py", "notebook.py", "postgres/migrations/env.py"}
    files = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    found = {path for path, text in files.items() if "load_settings" in text}
    below = {path for path in found - at_the_top if path.split("/")[0] not in ("cli", "runtime", "serving")}
    assert below == set()
    assert at_the_top <= found


def test_the_page_of_settings_names_each_of_them() -> None:
    page = (REPOSITORY / "docs/reference/settings.md").read_text()
    assert [name for name in variable_names() if f"`{name}`" not in page] == []


def test_the_answers_of_the_api_are_kept_in_the_redis_of_the_workers_or_in_one_of_their_own(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    assert load_settings().api_cache_url is None
    clean_environment.setenv("REDIS_URL", "redis://workers:6379/0")
    assert load_settings().api_cache_url == "redis://workers:6379/0"
    clean_environment.setenv("DATAFLOW_CACHE_URL", "redis://answers:6379/0")
    assert load_settings().api_cache_url == "redis://answers:6379/0"
    clean_environment.delenv("REDIS_URL")
    settings = load_settings()
    assert (settings.api_cache_url, settings.redis_url) == ("redis://answers:6379/0", None)
