"""Messages that are written by a schema of a registry, as JSON.

Here: asking a registry for schemas, and decoding what they say. Not here: messages without one, and lines (see
`kafka.messages`).

Such a message begins with a zero and the four bytes of its schema's number, as Confluent's serializers write it. A
schema never changes under its number, so each is asked for once.
"""

import base64
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import fastavro
import requests

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.collectors.http.session import words_of
from dataflow_assets.collectors.kafka.messages import as_json
from dataflow_assets.sources.formats.avro_schemas import require_bounded_schema
from dataflow_assets.sources.origins.kafka import Kafka

_HEAD = 5  # bytes before what a schema describes
_UNUSABLE = (
    KeyError,
    ValueError,
    RecursionError,
    fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType,
)
_SECONDS = (10.0, 30.0)  # to connect, and to wait for an answer
_NOT_THERE = (40401, 40402, 40403)  # no such subject, version or schema
_quote = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UndecodableError(Exception):
    """A message cannot be decoded, ever."""


@dataclass(frozen=True)
class _Schema:
    """What a registry says of a schema: how it is written (`AVRO`, `JSON`, `PROTOBUF`), and of Avro the parsed text."""

    kind: str
    parsed: Any


class Registry:
    """A registry of schemas, which a declaration names."""

    def __init__(self, origin: Kafka) -> None:
        assert origin.registry
        self._url = origin.registry.rstrip("/")
        self._session = requests.Session()
        password = secret_of(origin, "registry_password")
        login = (origin.registry_user or "", password) if password else None
        self._session.auth = login or (lambda request: request)  # no password of a .netrc is sent
        if origin.ca_file:
            self._session.verify = origin.ca_file
        self._schemas: dict[int, _Schema | UndecodableError] = {}

    def check(self) -> None:
        """Look whether it answers.

        Raises:
            CollectError: it does not.
        """
        self._get("subjects")

    def decode(self, data: bytes) -> str:
        """The JSON of what begins with a schema's number; of what cannot be decoded a text with its bytes in base64.

        Raises:
            UnreachableError: the registry does not answer, so that nobody knows yet what it says.
            CollectError: it is none, or does not let us in.
        """
        try:
            return self._decode(data)
        except UndecodableError as error:
            return _quote(f"cannot be decoded ({error}): {base64.b64encode(data).decode()}")

    def _decode(self, data: bytes) -> str:
        number = int.from_bytes(data[1:_HEAD], "big")
        schema = self._schema(number)
        if schema.kind == "JSON":
            return as_json(data[_HEAD:])
        if schema.kind != "AVRO":
            raise UndecodableError(f"its schema {number} is {schema.kind.capitalize()}, neither Avro nor JSON")
        file = io.BytesIO(data[_HEAD:])
        try:
            value = fastavro.schemaless_reader(file, schema.parsed, None)
        except Exception as error:  # whatever the bytes make of the schema
            raise UndecodableError(f"it is not of its schema {number}: {type(error).__name__}") from None
        if file.read(1):
            raise UndecodableError(f"it has more bytes than its schema {number} says")
        return _as_json(value)

    def _schema(self, number: int) -> _Schema:
        if number not in self._schemas:
            try:
                said = self._get(f"schemas/ids/{number}")
                self._schemas[number] = _Schema(said.get("schemaType", "AVRO"), self._parse(said, {}))
            except UndecodableError as error:
                self._schemas[number] = error
        found = self._schemas[number]
        if isinstance(found, UndecodableError):
            raise found
        return found

    def _parse(self, said: Mapping[str, Any], named: dict[str, Any]) -> Any:
        """A schema of Avro, after those that it refers to, whose names are added."""
        if said.get("schemaType", "AVRO") != "AVRO":
            return None
        for reference in said.get("references") or ():
            if reference["name"] not in named:
                path = f"subjects/{quote(reference['subject'], safe='')}/versions/{reference['version']}"
                self._parse(self._get(path), named)
        try:
            parsed = fastavro.parse_schema(json.loads(said["schema"]), named_schemas=named)
            require_bounded_schema(parsed)
        except _UNUSABLE as error:
            raise UndecodableError(f"its schema cannot be used: {error}") from None
        return parsed

    def _get(self, path: str) -> Any:
        try:
            with self._session.get(f"{self._url}/{path}", timeout=_SECONDS) as response:
                status, said = response.status_code, _content(response)
        except requests.exceptions.SSLError as error:
            raise CollectError(
                f"The schema registry {self._url} has a wrong certificate ({words_of(error)})."
            ) from None
        except requests.RequestException as error:
            raise UnreachableError(f"The schema registry {self._url} cannot be reached ({words_of(error)}).") from None
        if status == 200 and said is not None:
            return said
        raise self._refusal(path, status, said)

    def _refusal(self, path: str, status: int, said: Any) -> Exception:
        if status == 404 and isinstance(said, dict) and said.get("error_code") in _NOT_THERE:
            return UndecodableError(f"the registry has no {path}")
        if status in (401, 403):
            return CollectError(
                f"The schema registry {self._url} does not let us in ({status}): the user or the password is wrong."
            )
        if status == 429 or status >= 500:
            return UnreachableError(f"The schema registry {self._url} answers with an error ({status}).")
        return CollectError(f"{self._url} does not answer as a schema registry does ({status}); correct `registry`.")


def _content(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    except ValueError:  # a number that is none
        return json.dumps(_without_nan(value), ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has for a value of Avro's logical types and bytes."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return value.decode(errors="backslashreplace")
    raise TypeError(type(value).__name__)


def _without_nan(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {name: _without_nan(one) for name, one in value.items()}
        case list() | tuple():
            return [_without_nan(one) for one in value]
    return value
