"""What the lake and the ledger hold.

Here: whether they belong together, and what was not accepted. Not here: the servers below them.
"""

from dataflow_assets.core.formatting import few
from dataflow_assets.doctor.finding import MOST_NAMED, Finding
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.delivery_reports import count_deliveries_by_state
from dataflow_assets.ledger.lake import HOW_TO_GO_ON, find_problems, read_lake, require_lake
from dataflow_assets.ledger.lost_rows import find_objects_with_other_rows
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.bootstrap import database_url


def lake(settings: Settings) -> Finding:
    """Whether the lake is the one that the database was made from, and holds what is recorded of it."""
    url, storage = database_url(settings), open_storage(settings)
    with connect(url) as connection:
        known = read_lake(connection)
    if known is None:
        return Finding("lake", "ok", "The warehouse is new, and not made from any lake yet.")
    require_lake(url, storage)
    if problems := find_problems(url, storage, all_sources()):
        return Finding("lake", "problem", " ".join(problems), f"{HOW_TO_GO_ON[0].upper()}{HOW_TO_GO_ON[1:]}")
    others = [key for source in all_sources() for key in find_objects_with_other_rows(url, storage, source)]
    if others:
        named = few(others, MOST_NAMED)
        said = (
            f"It does not hold the rows that are recorded of {named}: somebody changed its tables, or the database is "
            "an older one."
        )
        return Finding(
            "lake",
            "problem",
            said,
            "An older database knows once landing is looked at again. Else run `dataflow rebuild`; then what is in "
            "landing is taken in again.",
        )
    if settings.first_day > known[1]:
        said = f"DATAFLOW_FIRST_DAY is {settings.first_day}, and was {known[1]}: nothing makes the days between again."
        return Finding("lake", "warning", said, f"Set DATAFLOW_FIRST_DAY={known[1]} again, unless they do not matter.")
    return Finding("lake", "ok", f"It is the one that the database was made from, {known[0]}.")


def deliveries(settings: Settings) -> Finding:
    """Whether a delivery was not accepted."""
    counted = count_deliveries_by_state(database_url(settings))
    said = ", ".join(f"{count:,} {state}" for state, count in counted.items()) or "None yet"
    if set(counted) <= {"accepted"}:
        return Finding("deliveries", "ok", f"{said}.")
    return Finding(
        "deliveries",
        "warning",
        f"{said}.",
        "`dataflow deliveries` and `dataflow rejects` say why; land a repaired file, or release what is held.",
    )
