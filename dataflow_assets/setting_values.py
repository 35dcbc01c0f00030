"""What the value of a setting must look like.

Here: one function for each kind of value, which gives it back or says what would be right. Not here: the settings (see
`settings`), and anything that connects to what a value names.
"""

import re
from datetime import date
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

_ZONES_OF_PYTHON_ALONE = re.compile(r"(posix|right)/.*|Factory|localtime|posixrules")  # PostgreSQL has no such name
_SHORTEST_KEY = 32  # bytes of a key that signs tokens
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CUT_PASSWORD = re.compile(
    r"(?:adbc:\w+:)?[a-z]+://[^/?@:]*:[^?]*?[@/#][^?]*@"
)  # what ends it, before the @ of the host


def require_time_zone(name: str) -> str:
    """A name of a time zone that PostgreSQL and Python know."""
    try:
        ZoneInfo(name)
        is_known = not _ZONES_OF_PYTHON_ALONE.fullmatch(name)
    except (KeyError, ValueError, OSError):
        is_known = False
    if not is_known:
        raise ValueError("must be an IANA time zone such as UTC or Europe/Paris")
    return name


def split_url(url: str) -> SplitResult:
    """The parts of a URL; one that cannot be split (that error would show its password) has none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def require_whole_password(url: str) -> None:
    """Refuse a URL of which drivers would take a part of the password for the host, and show it in what they say.

    Raises:
        ValueError: its password holds @, / or # as they are.
    """
    if _CUT_PASSWORD.match(url):
        raise ValueError("must have %40 for @, %2F for / and %23 for # in its password")


def require_postgresql_url(value: SecretStr) -> SecretStr:
    """The URL of a database of PostgreSQL."""
    require_whole_password(value.get_secret_value())
    parts = split_url(value.get_secret_value())
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    if {"password", "sslpassword"} & parse_qs(
        parts.query
    ).keys():  # which is masked nowhere, and shown to others by command lines
        raise ValueError("must have its password before the host, as in postgresql://user:password@host:5432/database")
    return value


def require_redis_url(value: SecretStr) -> SecretStr:
    """The URL of a server of Redis."""
    require_whole_password(value.get_secret_value())
    parts = split_url(value.get_secret_value())
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must look like redis://user:password@host:6379/0")
    return value


def split_alert_urls(value: str) -> list[str]:
    """The URLs in DATAFLOW_ALERT_URLS; a blank, comma or semicolon separates two where another scheme follows."""
    return [url for url in re.split(r"[\s,;]+(?=[A-Za-z0-9]+://)", value.strip(" \t\r\n,;")) if url]


def require_alert_urls(value: SecretStr) -> SecretStr:
    """URLs that apprise can send to."""
    from apprise.logger import logger  # noqa: PLC0415, a quarter of a second for those who use it

    logger.disabled = True  # it would log the URL that it cannot use
    try:
        for number, url in enumerate(split_alert_urls(value.get_secret_value()), 1):
            _check_alert_url(number, url)
    finally:
        logger.disabled = False
    return value


def _check_alert_url(number: int, url: str) -> None:
    from apprise import Apprise  # noqa: PLC0415, see above
    from apprise.plugins.email import NotifyEmail  # noqa: PLC0415, see above

    service = Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise ValueError(f"URL {number} is none that apprise knows; see https://appriseit.com/services/")
    if not isinstance(service, NotifyEmail):
        return
    if not service.targets:
        raise ValueError(f"URL {number} names nobody who gets the mail; write ?to=oncall@example.com")
    if service.password and service.secure_mode == "insecure" and service.smtp_host not in _LOOPBACK:
        raise ValueError(f"URL {number} sends a password without TLS; write mailtos:// instead of mailto://")


def require_sentry_dsn(value: SecretStr) -> SecretStr:
    """The DSN of a project of Sentry."""
    parts = split_url(value.get_secret_value())
    is_web_address = parts.scheme in ("http", "https") and parts.username and parts.hostname
    if not is_web_address or not re.fullmatch(r"(/.+)?/\d+", parts.path):
        raise ValueError("must look like https://key@host/project, where the project is a number")
    return value


def require_http_url(value: str) -> str:
    """A web address."""
    if split_url(value).scheme not in ("http", "https") or not split_url(value).netloc:
        raise ValueError("must look like http://host:port or https://host")
    return value


def require_signing_keys(value: SecretStr) -> SecretStr:
    """Keys, with commas between them, that are too long to be guessed."""
    if any(len(key.encode()) < _SHORTEST_KEY for key in value.get_secret_value().split(",")):
        raise ValueError(f"each key must have {_SHORTEST_KEY} bytes or more, as `openssl rand -hex 32` makes them")
    return value


def require_origins(value: str) -> str:
    """Origins of web pages, with commas between them."""
    for origin in value.split(","):
        parts = split_url(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError("must look like https://host or http://host:port, with commas between several")
    return value


def require_bucket_name(value: str) -> str:
    """The name of a bucket of S3."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", value):
        raise ValueError("must be the name of a bucket alone: 3 to 63 letters, digits, dots and hyphens")
    return value


def parse_date(value: object) -> object:
    """Only a date as text: a number would be read as seconds since 1970."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be a day like 2021-11-01") from None


def resolve_home(path: Path) -> Path:
    """The absolute path of a folder that every part of the platform can name."""
    try:
        absolute = path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("must not begin with the home folder of an unknown user") from None
    if re.search(r"[%=*?\[\]]", str(absolute)):
        raise ValueError(f"must lead to a folder without % = * ? [ ] in its path, which is {absolute}")
    return absolute
