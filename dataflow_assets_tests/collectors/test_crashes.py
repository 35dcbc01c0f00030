"""Whatever is killed while it collects, collecting again brings each file once."""

import pytest

from benchmarks.collect_crashes import SERVERS, run


@pytest.mark.parametrize("kind", SERVERS)
def test_killed_collectors_leave_each_file_once(kind: str) -> None:
    """The short form of `benchmarks.collect_crashes`, at other moments every time."""
    figures = run(kind, kills=2)
    assert figures["faults"] == [], figures
    assert figures["kills"] >= 2
