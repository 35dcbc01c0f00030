"""Where a page ended: an opaque text in the link to the next one.

Here: writing and reading it. A cursor holds the texts of the last row's values in the columns of the order, and a keyed
hash that binds them to relation, filters and order, so that nobody can make one up, or go on with another question. Not
here: SQL.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

from dataflow_assets.serving.reading.parameters import Selection
from dataflow_assets.serving.refusals import UnusableError


def write_cursor(selection: Selection, values: Sequence[str | None], secret: bytes) -> str:
    """The cursor behind a row; `values` are the texts of its columns in the order of the selection."""
    content = json.dumps([_seal(selection, values, secret), *values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(selection: Selection, secret: bytes) -> list[str | None]:
    """The values in the cursor of a selection that has one.

    Raises:
        UnusableError: it is no cursor, or that of another question or secret.
    """
    text = selection.cursor or ""
    try:
        values: list[str | None]
        seal, *values = json.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        is_right = hmac.compare_digest(seal, _seal(selection, values, secret))
    except (ValueError, TypeError, RecursionError):
        is_right, values = False, []
    if not is_right:
        raise UnusableError(
            "The cursor is not one of these filters and this order; take it from the link to the next page, whole."
        )
    return values


def _seal(selection: Selection, values: Sequence[str | None], secret: bytes) -> str:
    facts = json.dumps([selection.fingerprint, *values])
    return hashlib.blake2b(facts.encode(), digest_size=16, key=secret).hexdigest()
