"""Parameters that several routes take.

Here: reading them strictly, so that a wrong one is told instead of being taken for another. Not here: those of one
route.
"""

import re
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PART = r"[^/.#\x00-\x1f\x7f][^/#\x00-\x1f\x7f]*"
_NAME = f"^{_PART}(/{_PART})*$"
_LONGEST_PART, _LONGEST_NAME = 250, 200  # bytes between two slashes, as a file system takes; characters of all


class NoParameters(BaseModel):
    """A route that takes no query: a misspelt parameter is refused instead of being passed over."""

    model_config = ConfigDict(extra="forbid")


def parse_day(text: object) -> date:
    """The day of a text such as 2021-12-31; nothing else is one.

    Raises:
        ValueError: it is none.
    """
    if isinstance(text, str) and _DAY.fullmatch(text):
        return date.fromisoformat(text)
    raise ValueError("a day is written like 2021-12-31")


def check_name(name: str) -> str:
    """A name that a landed file can have in any store.

    Raises:
        ValueError: it is none.
    """
    longest = max(len(part.encode(errors="replace")) for part in name.split("/"))
    if len(name) > _LONGEST_NAME or longest > _LONGEST_PART or not re.search(_NAME, name) or name.endswith("\n"):
        raise ValueError(
            f"a name has at most {_LONGEST_NAME} characters, and no part of it is empty, begins with a dot, "
            "or holds a # or a control character"
        )
    return name


SourceName = Annotated[str, Path(description="name of the source", examples=["streams"])]
Day = Annotated[date, BeforeValidator(parse_day), Path(description="the day of delivery", examples=["2021-12-05"])]
ObjectName = Annotated[
    str,
    AfterValidator(check_name),
    Path(
        description="name of the file; it may have folders",
        examples=["streams.csv"],
        json_schema_extra={"pattern": _NAME, "maxLength": _LONGEST_NAME},
    ),
]
