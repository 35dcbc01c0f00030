"""What a name that is not known was probably meant to be.

Here: finding it. Not here: which names there are.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """A question to put behind a sentence, or nothing where no known name is near.

    >>> from dataflow_assets.core.suggestions import suggest
    >>> suggest("strems", ["movies", "streams"])
    " Is 'streams' meant?"
    >>> suggest("payments", ["movies", "streams"])
    ''
    """
    near = get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f" Is {near[0]!r} meant?" if near else ""
