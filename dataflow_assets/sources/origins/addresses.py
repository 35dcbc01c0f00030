"""Addresses of single files and topics, as a user writes them by hand.

Here: from an address to a place such as a declaration names. Not here: what each kind of place makes of an address (see
the other files), and bringing anything (see `collectors`).
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlsplit

from dataflow_assets.sources.origins.base import Origin

_TRUTH = {"true": True, "false": False}
_READERS: Mapping[Any, Callable[[str], Any]] = {bool: _TRUTH.__getitem__, int: int, float: float}


def origin_at(kind: type[Origin], address: str, options: Mapping[str, str], declared: Origin | None = None) -> Origin:
    """The place that an address and further fields of a declaration name.

    Where a source is declared to arrive from the same server, its declaration says what is not said here, such as the
    names of the variables of its secrets. No other server is shown them.

    >>> from dataflow_assets.sources.origins import S3
    >>> from dataflow_assets.sources.origins.addresses import origin_at
    >>> origin_at(S3, "s3://vendor/out/a.csv", {"region": "eu-west-1"}).address
    's3://vendor/out'

    Raises:
        ValueError: they name none, and why.
    """
    parts = urlsplit(address)
    if parts.scheme not in kind.schemes:
        raise ValueError(f"{address} begins with none of {', '.join(f'{scheme}://' for scheme in kind.schemes)}")
    if parts.password:
        raise ValueError("the address holds a password; name the environment variable that holds it by `--with`")
    said = {**kind.fields_at(parts), **_read_options(kind, options)}
    if isinstance(declared, kind):
        made = replace(declared, **said)
        if made.server == declared.server:
            return made
    try:
        return kind(**said)
    except TypeError as error:  # which names the fields that are missing
        raise ValueError(f"{address} does not say enough ({error}); say the rest by `--with`") from None


def _read_options(kind: type[Origin], options: Mapping[str, str]) -> dict[str, Any]:
    known = {field.name: field.type for field in fields(kind)}
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    read: dict[str, Any] = {}
    for name, text in options.items():
        try:
            read[name] = _READERS.get(known[name], str)(text)
        except (KeyError, ValueError):
            raise ValueError(f"{name} cannot be {text!r}") from None
    return read
