"""Parameters that several routes take.

Here: reading them strictly, so that a wrong one is told instead of being taken for another. Not here: those of one
route.
"""

import re
from datetime import date

from pydantic import BaseModel, ConfigDict

from dataflow_assets.serving.refusals import UnusableError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class NoParameters(BaseModel):
    """A route that takes no query: a misspelt parameter is refused instead of being passed over."""

    model_config = ConfigDict(extra="forbid")


def parse_day(text: str) -> date:
    """The day of a text.

    Raises:
        UnusableError: it is none.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UnusableError(f"{text!r} is not a day; write it like 2021-12-31.")
