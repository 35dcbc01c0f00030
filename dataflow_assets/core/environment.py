"""Variables of the environment that look like settings and are none.

Here: finding them, with the setting that was probably meant. Not here: what the settings are (see `settings`).
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from dataflow_assets.settings import variable_names

_PREFIX = "DATAFLOW_"
_OF_OTHERS = {"DATAFLOW_PASSWORD", "DATAFLOW_REFERENCE_DATA"}  # read by docker-compose.yml and by the tests


def find_unknown_settings(names: Iterable[str]) -> Iterator[str]:
    """A sentence for each of these names of variables that begins like a setting and is none.

    >>> from dataflow_assets.core.environment import find_unknown_settings
    >>> list(find_unknown_settings(["DATAFLOW_BACKFIL_DAYS", "HOME"]))
    ['DATAFLOW_BACKFIL_DAYS is no setting; is DATAFLOW_BACKFILL_DAYS meant?']
    """
    known = variable_names()
    for name in sorted(names):
        if name.startswith(_PREFIX) and name not in known | _OF_OTHERS:
            near = get_close_matches(name, sorted(known), n=1, cutoff=0.8)
            yield f"{name} is no setting; " + (f"is {near[0]} meant?" if near else "it has no effect.")
