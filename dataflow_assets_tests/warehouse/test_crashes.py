"""Whatever is killed while a delivery is loaded, running it again gives the undisturbed tables."""

from benchmarks.crashes import run


def test_killed_loads_and_stopped_servers_leave_nothing_behind() -> None:
    """The short form of `benchmarks.crashes`, at other moments every time."""
    figures = run(kills=6, restarts=2)
    assert figures["faults"] == [], figures
    assert sum(figures["killed_during"].values()) == 6
    assert sum(figures["restarted_during"].values()) == 2
