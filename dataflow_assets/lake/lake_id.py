"""Which lake it is: an id in its root, by which a database tells its own lake from another.

Here: reading it, and giving one to a new lake. Every command looks at it, so nothing large is imported. Not here: the
tables (see `identity`), and what a database remembers (see `ledger.lake`).
"""

import uuid
from contextlib import suppress

import obstore
from obstore.exceptions import AlreadyExistsError

from dataflow_assets.landing.storage import Storage

LAKE_ID = "lake/lake_id"  # the object that holds it


def read_lake_id(storage: Storage) -> str | None:
    """The id of the lake; None where there is no lake, or one that nothing was ever written to."""
    try:
        return bytes(obstore.get(storage.store, LAKE_ID).bytes()).decode().strip()
    except FileNotFoundError:
        return None


def ensure_lake_id(storage: Storage) -> str:
    """The id of the lake, which gets one where it has none."""
    if found := read_lake_id(storage):
        return found
    with suppress(AlreadyExistsError):
        obstore.put(storage.store, LAKE_ID, f"{uuid.uuid4()}\n".encode(), mode="create")
    found = read_lake_id(storage)
    assert found, "an object that exists can be read"
    return found
