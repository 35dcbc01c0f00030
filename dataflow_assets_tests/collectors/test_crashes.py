"""Whatever is killed while it collects, collecting again brings each thing once."""

import pytest

from benchmarks.collect_crashes import run
from benchmarks.collect_places import PLACES


@pytest.mark.parametrize("kind", PLACES)
def test_killed_collectors_leave_each_thing_once(kind: str) -> None:
    """The short form of `benchmarks.collect_crashes`, at other moments every time."""
    figures = run(kind, kills=2)
    assert figures["faults"] == [], figures
    assert figures["kills"] >= 2
