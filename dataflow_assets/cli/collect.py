"""The command that brings what is new of sources from where they arrive.

Here: arguments, progress and what is said at the end. Not here: work.
"""

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow_assets.cli.arguments import Json, delivery_day, source_of
from dataflow_assets.cli.inspect import expected_objects
from dataflow_assets.cli.load import bring
from dataflow_assets.cli.output import details_in, print_json, print_table, progress, say, short
from dataflow_assets.core.logging import is_terminal
from dataflow_assets.errors import RunFailedError, UsageError
from dataflow_assets.settings import load_settings

if TYPE_CHECKING:
    from dataflow_assets.collectors.base import Remote
    from dataflow_assets.collectors.collect import Collecting
    from dataflow_assets.collectors.sink import Report
    from dataflow_assets.landing.deliveries import Delivery
    from dataflow_assets.landing.storage import Storage
    from dataflow_assets.settings import Settings
    from dataflow_assets.sources.base import Source

_COLUMNS = ("source", "path", "state", "day", "bytes", "reason")


def collect(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    day: Annotated[str | None, typer.Option(help="Only what is delivered on this day, YYYY-MM-DD.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is new, and bring nothing.")] = False,
    load: Annotated[bool, typer.Option("--load", help="Materialize what is new in landing, as `load` does.")] = False,
    as_json: Json = False,
) -> None:
    """Land what is new of sources that say from where they arrive.

    Stopped, it may be repeated: nothing lands twice.
    """
    settings, sources = load_settings(), _sources_of(source)
    days = [delivery_day(settings, day)] if day else None
    with details_in(settings, "collect", verbose=not is_terminal()):  # a scheduler keeps what its commands say
        collect_from(settings, sources, days, dry_run=dry_run, load=load, as_json=as_json)


def collect_from(
    settings: "Settings",
    sources: Sequence["Source"],
    days: Sequence[date] | None = None,
    *,
    dry_run: bool = False,
    load: bool = False,
    as_json: bool = False,
) -> None:
    """Do what `collect` says, for some sources, each of which says from where it arrives."""
    from dataflow_assets.collectors.base import CollectError
    from dataflow_assets.ledger.collected import open_record
    from dataflow_assets.warehouse.bootstrap import open_bound_warehouse

    expected = expected_objects(settings).days
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    landed: list[Delivery] = []
    with progress() as report:
        report("Opening the warehouse")
        url, storage = open_bound_warehouse(settings)
        collecting = build_collecting(settings, storage, report)
        for each in sources:
            record = open_record(url, each.name)
            if dry_run:
                try:
                    rows += _new_rows(each, collecting.find_new(each, record, days), expected)
                except CollectError as error:
                    problems.append(str(error))
                continue
            found = collecting.collect(each, record, days)
            rows += _rows(each, found, expected)
            problems += _problems(each, found)
            landed += [one.delivery for one in found.landed]
    if rows or as_json or not problems:
        _print(rows, as_json=as_json)
    if load and (deliveries := _find_unloaded(settings, url, storage, sources, landed)):
        bring(settings, lambda: deliveries)
    if problems:
        raise RunFailedError("\n".join(problems))


def build_collecting(
    settings: "Settings",
    storage: "Storage",
    report: Callable[[str], None],
    is_enough: Callable[[], bool] | None = None,
) -> "Collecting":
    """What a command needs to collect from anywhere; with `is_enough`, a stream is waited for until that is true."""
    from dataflow_assets.collectors.collect import Collecting
    from dataflow_assets.landing.deliveries import Landing

    return Collecting(
        landing=Landing(storage),
        timezone=settings.timezone,
        today=settings.today,
        first_day=settings.first_day,
        progress=report,
        is_enough=is_enough,
    )


def _find_unloaded(
    settings: "Settings", url: str, storage: "Storage", sources: Sequence["Source"], landed: Sequence["Delivery"]
) -> list["Delivery"]:
    """What this call landed, and what another one did that was stopped before it was loaded."""
    from dataflow_assets.ledger.discovery import find_new_deliveries

    expected = expected_objects(settings)
    names = [source.name for source in sources]
    before = [new for name in names for new in find_new_deliveries(url, storage, name, expected)]
    return list({delivery.object: delivery for delivery in [*before, *landed]}.values())


def _sources_of(name: str | None) -> Sequence["Source"]:
    """The source of that name, or all that say from where they arrive."""
    from dataflow_assets.sources import all_sources

    if name is None:
        return [source for source in all_sources() if source.arrives]
    found = source_of(name)
    if found.arrives is None:
        raise UsageError(f"{found.name} does not say from where it arrives; its declaration can, as `arrives`.")
    return [found]


def _row(
    source: "Source", path: str, state: str, day: date | None, size: int | None, reason: str | None
) -> dict[str, Any]:
    said = day.isoformat() if day else None
    return dict(zip(_COLUMNS, (source.name, path, state, said, size, reason), strict=True))


def _why_not(day: date, expected: Container[str]) -> str | None:
    """Why nothing takes what lands on a day; None where something does."""
    return None if day.isoformat() in expected else "the day has no partition, so nothing takes it"


def _new_rows(
    source: "Source", found: Iterable[tuple[date, "Remote"]], expected: Container[str]
) -> Iterator[dict[str, Any]]:
    for day, one in found:
        yield _row(source, one.path, "new", day, one.size, one.fault or _why_not(day, expected))


def _rows(source: "Source", found: "Report", expected: Container[str]) -> Iterator[dict[str, Any]]:
    for one in found.landed:
        day = one.delivery.day
        yield _row(source, one.remote.path, "landed", day, one.delivery.size, _why_not(day, expected))
    for state, paths in {"waits": found.postponed, "failed": found.failed}.items():
        for path, reason in paths.items():
            yield _row(source, path, state, None, None, reason)


def _problems(source: "Source", found: "Report") -> Iterator[str]:
    if found.failed:
        yield f"{len(found.failed):,} of {source.name} could not be collected; the others were."
    if found.error:
        yield str(found.error)


def _print(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(_COLUMNS, [short(row.values()) for row in rows])
    else:
        say("There is nothing new.", logging.INFO)
