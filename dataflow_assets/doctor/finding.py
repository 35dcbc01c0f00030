"""What the doctor says of one thing.

Here: the finding. Not here: what is looked at.
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]
MOST_NAMED = 5  # of the things that a sentence lists


@dataclass(frozen=True)
class Finding:
    """What was found of one thing, and what to do, unless the sentence says that already."""

    name: str
    state: State
    sentence: str
    advice: str = ""


def first_line(error: Exception) -> str:
    """The beginning of what an error says, which is enough for a finding."""
    return str(error).strip().partition("\n")[0]
