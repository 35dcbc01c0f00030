"""The clocks of the database and of the object store, beside this machine's.

Here: comparing them. Not here: what bears other clocks (the sensors do, by order of events), and setting one.
"""

import time
import uuid
from collections.abc import Callable
from datetime import datetime

import obstore

from dataflow_assets.doctor.finding import Finding
from dataflow_assets.doctor.stores import open_impatient_storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.bootstrap import database_url

_MOST_SECONDS = 60  # daemons are taken for dead after 90, runs that do not start after 600


def clocks(settings: Settings) -> Finding:
    """Whether the three clocks say the same, but for a minute."""
    off = {
        "database": _seconds_ahead(lambda: _ask_database(settings)),
        "object store": _seconds_ahead(lambda: _ask_store(settings)),
    }
    wrong = [
        f"The {name}'s clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
        for name, seconds in off.items()
        if abs(seconds) > _MOST_SECONDS
    ]
    if wrong:
        advice = (
            "Set them right, as by NTP: Dagster takes a daemon, or a run that has not started yet, for dead by age."
        )
        return Finding("clocks", "warning", " ".join(wrong), advice)
    return Finding("clocks", "ok", "Those of the database and the object store go with this machine's.")


def _seconds_ahead(ask: Callable[[], datetime]) -> float:
    """How far a clock is ahead of this machine's in the middle of the time that asking takes."""
    before = time.time()
    there = ask()
    return there.timestamp() - (before + time.time()) / 2


def _ask_database(settings: Settings) -> datetime:
    with connect(database_url(settings)) as connection:
        [(now,)] = execute(connection, "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


def _ask_store(settings: Settings) -> datetime:
    """When the store says that an object was written, which it has just been."""
    store, key = open_impatient_storage(settings).store, f"doctor-{uuid.uuid4().hex}"
    obstore.put(store, key, b"")
    try:
        return obstore.head(store, key)["last_modified"]
    finally:
        obstore.delete(store, key)
