"""Which format a request means: by its parameter `format`, or else by what it accepts.

Here: reading both. Not here: the formats.
"""

import re

from dataflow_assets.serving.reading.formats import all_formats
from dataflow_assets.serving.reading.formats.base import Format
from dataflow_assets.serving.refusals import NotAcceptableError, UnusableError


def choose_format(named: str | None, accept: str | None) -> Format:
    """The format of a response.

    Args:
        named: the name of one, which counts more.
        accept: an Accept header; of formats that it likes equally, the first of ours counts.

    Raises:
        UnusableError: there is no format of that name.
        NotAcceptableError: no format is acceptable.
    """
    formats = all_formats()
    if named is not None:
        if named not in formats:
            raise UnusableError(f"There is no format {named!r}; there are {', '.join(formats)}.")
        return formats[named]
    if accept is None or not accept.strip():
        return next(iter(formats.values()))
    wanted = [_read_range(part) for part in accept.split(",") if part.strip()]
    best = max(formats.values(), key=lambda one: _quality(one, wanted))  # the first one of equals
    if _quality(best, wanted) <= 0:
        known = ", ".join(one.media_type.partition(";")[0] for one in formats.values())
        raise NotAcceptableError(f"No row can be had as {accept!r}; accept one of {known}, or write ?format=csv.")
    return best


def _read_range(part: str) -> tuple[str, float]:
    """A range of media types such as text/*, and how much it is liked, from 0 to 1."""
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    liked = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    return media_type, float(liked) if re.fullmatch(r"[01](\.[0-9]{0,3})?", liked, re.ASCII) else 0.0


def _quality(one: Format, wanted: list[tuple[str, float]]) -> float:
    """How much a format is liked: the most exact range that holds it says so."""
    own = one.media_type.partition(";")[0]
    ranges = dict(reversed(wanted))
    exact = (own, f"{own.partition('/')[0]}/*", "*/*")
    return next((ranges[name] for name in exact if name in ranges), 0.0)
