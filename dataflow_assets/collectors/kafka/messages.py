"""Messages of Kafka as lines of JSON.

Here: one message, one line. Not here: a broker (see `kafka.consumer`), and batches (see `kafka.drain`).
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from confluent_kafka import Message

from dataflow_assets.core.time_windows import day_of

Decode = Callable[[bytes], str]  # what begins with the number of a schema, as JSON (see `kafka.registry`)

_HEAD = 4  # bytes at least: a zero and the number
_CLOCKS_DIFFER = timedelta(hours=1)


class NoJsonError(ValueError):
    """A text holds NaN or Infinity, which are no JSON."""


def _refuse(name: str) -> None:
    raise NoJsonError(name)


_check = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_refuse).decode
_quote = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_line(message: Message, decode: Decode | None = None) -> bytes:
    r"""A message as one line of JSON, its end included.

    A value that is JSON stands there as it was written, on one line; any other is a text, and so are the key and the
    headers' values. Bytes that are no UTF-8 are written as `\xff` is. With `decode`, a key and a value that begin with
    the number of a schema are the JSON that it makes of them.
    """
    kind, milliseconds = message.timestamp()
    time = f'"{_second(milliseconds // 1000)}{milliseconds % 1000:03d}Z"' if kind else "null"
    key, headers = message.key(), message.headers()
    return (
        f'{{"partition":{message.partition()},"offset":{message.offset()},"timestamp":{time},'
        f'"key":{_key(key, decode)},'
        f'"headers":{_headers(headers) if headers else "{}"},"value":{_value(message.value(), decode)}}}\n'
    ).encode()


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    instant = _instant(seconds)
    return f"{instant:%Y-%m-%dT%H:%M:%S}." if instant else str(seconds)


def _instant(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # of no calendar: somebody sent another unit
        return None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def _headers(headers: dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]) -> str:
    values: dict[str, list[str | None]] = {}
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        values.setdefault(name, []).append(None if value is None else _text(value))
    return _quote(values)


def _key(key: str | bytes | None, decode: Decode | None) -> str:
    if key is None:
        return "null"
    return decode(key) if decode and isinstance(key, bytes) and _has_schema(key) else _quote(_text(key))


def _has_schema(data: bytes) -> bool:
    return len(data) > _HEAD and data[0] == 0


def _value(value: bytes | None, decode: Decode | None) -> str:
    if value is None:
        return "null"
    return decode(value) if decode and _has_schema(value) else as_json(value)


def as_json(value: bytes) -> str:
    """A value that is JSON, as it was written, on one line; any other as a text."""
    text = _text(value)
    try:
        _check(text)
        # Between the parts of JSON any white space means the same, and within a text no line ends.
        return text.replace("\n", " ").replace("\r", " ") if "\n" in text or "\r" in text else text
    except (ValueError, RecursionError):
        return _quote(text)


def day_of_message(message: Message, timezone: str, first_day: date) -> date | None:
    """The day on which a message was sent, or the first day that is loaded if that is later.

    None where it does not say, or says one that is still to come.
    """
    kind, milliseconds = message.timestamp()
    sent = _instant(milliseconds // 1000) if kind else None
    return max(first_day, _day(sent, timezone)) if sent and sent < datetime.now(UTC) + _CLOCKS_DIFFER else None


_day = lru_cache(maxsize=1024)(day_of)  # of a second many messages may be
