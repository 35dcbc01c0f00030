"""Every environment variable of the platform: its name, default and meaning.

Here: reading and checking them, and the folders that follow from `DATAFLOW_HOME`. Not here: anything
that connects to what a variable names.
"""

import os
import re
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, unquote
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dataflow_assets.errors import SettingsError
from dataflow_assets.setting_values import (
    parse_date,
    require_alert_urls,
    require_bucket_name,
    require_http_url,
    require_origins,
    require_postgresql_url,
    require_redis_url,
    require_sentry_dsn,
    require_signing_keys,
    require_time_zone,
    resolve_home,
    split_alert_urls,
    split_url,
)

DEFAULT_HOME = Path(".dataflow")
_LISTING_MINUTES = 60
_MASK = "********"
_SHORTEST_SECRET = 4  # characters; a shorter one stands in other words
_SHORTEST_TOKEN = 8  # characters of a part of an alert URL that is a secret, and not a word such as `text`
# Passwords of others than these settings: in a URL, or in `name=value`, as libpq and cloud clients write it.
_FOREIGN_SECRETS = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)[^\s/'\"]+(?=@)"
    r"|(?P<name>\b(?:password|passwd|pwd|secret|token|[a-z_]*(?:secret|session|access|api)_(?:key|token|access_key))=)"
    r"(?:'[^']*'|[^\s'\"&;,)]+)",
    re.IGNORECASE,
)


class Settings(BaseSettings):
    """The settings of one process. Build it with `load_settings`, which explains a wrong value.

    An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore")

    database_url: Annotated[SecretStr, AfterValidator(require_postgresql_url)] | None = Field(
        None, validation_alias="DATABASE_URL", description="PostgreSQL to use; unset: an embedded server"
    )
    database_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        None, validation_alias="DATAFLOW_DATABASE_PORT", description="port of the embedded server; unset: any"
    )
    s3_bucket: Annotated[str, AfterValidator(require_bucket_name)] | None = Field(
        None,
        validation_alias="S3_BUCKET",
        description="bucket that holds `landing/` and `lake/`; unset: folders under DATAFLOW_HOME",
    )
    aws_endpoint_url: Annotated[str, AfterValidator(require_http_url)] | None = Field(
        None, validation_alias="AWS_ENDPOINT_URL", description="an S3 server other than Amazon's"
    )
    aws_region: str | None = Field(
        None, validation_alias="AWS_REGION", description="region; unset: AWS_DEFAULT_REGION, then us-east-1"
    )
    aws_default_region: str | None = Field(
        None, validation_alias="AWS_DEFAULT_REGION", description="region where AWS_REGION is unset"
    )
    aws_access_key_id: str | None = Field(
        None, validation_alias="AWS_ACCESS_KEY_ID", description="credentials; unset: the standard AWS chain"
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="the secret of AWS_ACCESS_KEY_ID"
    )
    aws_session_token: SecretStr | None = Field(
        None, validation_alias="AWS_SESSION_TOKEN", description="only for temporary credentials"
    )
    sentry_dsn: Annotated[SecretStr, AfterValidator(require_sentry_dsn)] | None = Field(
        None, validation_alias="SENTRY_DSN", description="project of Sentry that gets alerts"
    )
    alert_urls: Annotated[SecretStr, AfterValidator(require_alert_urls)] | None = Field(
        None, validation_alias="DATAFLOW_ALERT_URLS", description="where alerts go, as URLs of apprise"
    )
    openlineage_url: Annotated[str, AfterValidator(require_http_url)] | None = Field(
        None, validation_alias="OPENLINEAGE_URL", description="server that is told of lineage, as OpenLineage says it"
    )
    openlineage_api_key: SecretStr | None = Field(
        None, validation_alias="OPENLINEAGE_API_KEY", description="key that the server of OPENLINEAGE_URL asks for"
    )
    ui_url: Annotated[str, AfterValidator(require_http_url)] = Field(
        "http://127.0.0.1:3000", validation_alias="DATAFLOW_UI_URL", description="where alerts link to the Dagster UI"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="LOG_LEVEL", description="least severe message that is logged"
    )
    home: Annotated[Path, AfterValidator(resolve_home)] = Field(
        DEFAULT_HOME,
        validation_alias="DATAFLOW_HOME",
        validate_default=True,
        description="folder of everything embedded: database, lake, landing, the Dagster instance",
    )
    timezone: Annotated[str, AfterValidator(require_time_zone)] = Field(
        "UTC", validation_alias="DATAFLOW_TIMEZONE", description="the business time zone that cuts days and months"
    )
    first_day: Annotated[date, BeforeValidator(parse_date)] = Field(
        date(2021, 11, 1), validation_alias="DATAFLOW_FIRST_DAY", description="first daily partition"
    )
    events_from: Literal["warehouse", "lake"] = Field(
        "warehouse", validation_alias="DATAFLOW_EVENTS_FROM", description="where the answers' tables get events from"
    )
    discovery_minutes: Annotated[int, Field(ge=1)] = Field(
        10,
        validation_alias="DATAFLOW_DISCOVERY_MINUTES",
        description="minutes after which a late file in the folder of an old day is found",
    )

    s3_events_queue_url: Annotated[str, AfterValidator(require_http_url)] | None = Field(
        None,
        validation_alias="S3_EVENTS_QUEUE_URL",
        description="queue of SQS that gets the notifications of the bucket; unset: landing is listed",
    )
    listing_minutes: Annotated[int, Field(ge=1)] | None = Field(
        None,
        validation_alias="DATAFLOW_LISTING_MINUTES",
        description="minutes between two listings of landing where a bucket tells of what lands; "
        "unset: 60 with a queue, else it is listed all the time",
    )

    backfill_days: Annotated[int, Field(ge=1)] = Field(
        30, validation_alias="DATAFLOW_BACKFILL_DAYS", description="how far back the nights look for what is undone"
    )
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        30,
        validation_alias="DATAFLOW_KEEP_DAYS",
        description="days after which housekeeping removes logs of runs and replaced files of the lake",
    )
    merge_after_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        31, validation_alias="DATAFLOW_MERGE_AFTER_DAYS", description="days after which a month's days are one table"
    )

    secret_key: Annotated[SecretStr, AfterValidator(require_signing_keys)] | None = Field(
        None,
        validation_alias="SECRET_KEY",
        description="signs the API's tokens; older keys that still hold follow after commas; unset: one is made",
    )
    redis_url: Annotated[SecretStr, AfterValidator(require_redis_url)] | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis of the Celery workers that make the runs; unset: this machine makes them",
    )
    cache_url: Annotated[SecretStr, AfterValidator(require_redis_url)] | None = Field(
        None,
        validation_alias="DATAFLOW_CACHE_URL",
        description="Redis that keeps the API's small answers; unset: that of REDIS_URL, or each process its own",
    )
    cors_origins: Annotated[str, AfterValidator(require_origins)] | None = Field(
        None, validation_alias="CORS_ORIGINS", description="sites whose pages may use the API, with commas between them"
    )
    requests_per_minute: Annotated[int, Field(ge=1)] = Field(
        6000, validation_alias="DATAFLOW_REQUESTS_PER_MINUTE", description="how often one user may ask the API"
    )
    largest_upload_mb: Annotated[int, Field(ge=1)] = Field(
        1024, validation_alias="DATAFLOW_LARGEST_UPLOAD_MB", description="megabytes of a file that the API takes"
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together")
        if self.s3_events_queue_url and self.s3_bucket is None:
            raise ValueError("S3_EVENTS_QUEUE_URL tells of a bucket: set S3_BUCKET too")
        return self

    @property
    def region(self) -> str | None:
        """The AWS region that is named; None where none is."""
        return self.aws_region or self.aws_default_region

    @property
    def listing_seconds(self) -> float | None:
        """How often landing is listed where the bucket tells of what lands; None where it is listed all the time."""
        minutes = self.listing_minutes or (_LISTING_MINUTES if self.s3_events_queue_url else None)
        return minutes * 60.0 if minutes and self.s3_bucket else None

    @property
    def today(self) -> date:
        """The day that it is in the business time zone."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    @property
    def dagster_home(self) -> Path:
        """Folder that Dagster knows as `DAGSTER_HOME`."""
        return self.home / "dagster"

    @property
    def published_file(self) -> Path:
        """The portable DuckDB file that holds every answer."""
        return self.home / "analytics.duckdb"

    @property
    def api_cache_url(self) -> str | None:
        """The Redis that keeps the API's answers; None: each process keeps its own."""
        chosen = self.cache_url or self.redis_url
        return chosen.get_secret_value() if chosen else None

    @property
    def signing_keys(self) -> list[str]:
        """The keys of SECRET_KEY, of which the first one signs; none where it is unset."""
        return self.secret_key.get_secret_value().split(",") if self.secret_key else []

    def masked(self, text: str) -> str:
        """The text without any secret of these settings, as it is or as a part of a URL says it, and no foreign one."""
        for _, value in self:
            if isinstance(value, SecretStr):
                text = mask_secrets(text, value.get_secret_value())
        for key in self.signing_keys:
            text = mask_secrets(text, key)
        if "=" not in text and "://" not in text:  # as most lines: there can be none
            return text
        return _FOREIGN_SECRETS.sub(lambda found: f"{found['url'] or found['name']}{_MASK}", text)


def mask_secrets(text: str, value: str) -> str:
    """The text without a secret value, or, where the value is URLs, without what nobody may read of them."""
    for secret in _secrets(value):
        text = text.replace(secret, _MASK)
    return text


@cache
def _secrets(value: str) -> list[str]:
    """What nobody may read of a secret, which may be URLs, the longest first."""
    urls = split_alert_urls(value)
    known = {value, *urls}.union(*(_url_secrets(split_url(url)) for url in urls))
    return sorted((secret for secret in known if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _url_secrets(parts: SplitResult) -> set[str]:
    """Of a URL its password, or else what a web service knows: a DSN's key, a webhook's path, a chat's tokens."""
    hidden = {parts.password or ""}
    if parts.scheme in ("http", "https") and not parts.password:
        hidden = {parts.username or f"{parts.path}?{parts.query}".rstrip("?")}
    elif parts.scheme not in ("", "http", "https", "postgresql", "postgres"):  # one of apprise's
        pieces = re.split(r"[/?&=@:]", f"{parts.netloc}/{parts.path}?{parts.query}")
        hidden.update(piece for piece in pieces if _is_token(piece))
    return hidden | {unquote(text) for text in hidden}


def _is_token(text: str) -> bool:
    """Whether a part of an alert URL is a secret rather than a word, a host or a number."""
    return len(text) >= _SHORTEST_TOKEN and not re.fullmatch(r"[a-z]+|[\d.]+|[a-z\d-]+(\.[a-z\d-]+)+", text)


def variable_names() -> set[str]:
    """The environment variables that `Settings` reads."""
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings from the environment; those that it does not have from `settings.env` in the home.

    Args:
        home: the folder, in place of what DATAFLOW_HOME names.

    Raises:
        SettingsError: naming the variable, its value (secrets masked) and what would be right.
    """
    named = {} if home is None else {"DATAFLOW_HOME": home}
    try:
        file = resolve_home(home or Path(os.environ.get("DATAFLOW_HOME") or DEFAULT_HOME)) / "settings.env"
    except ValueError:
        file = None  # what is wrong with the home is said below
    try:
        return Settings(_env_file=file, **named)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(problem) for problem in error.errors())) from None


_SECRETS = {
    str(field.validation_alias) for field in Settings.model_fields.values() if "SecretStr" in str(field.annotation)
}


def _explain(problem: object) -> str:
    assert isinstance(problem, dict)
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(message)
    variable = str(problem["loc"][0])
    shown = _MASK if variable in _SECRETS else repr(str(problem["input"]))
    return f"{variable}={shown} is not usable: {message}"
