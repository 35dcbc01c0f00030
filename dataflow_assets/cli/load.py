"""The commands that bring files through the platform, in this process.

Here: arguments, progress and what is said at the end. Not here: work.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.arguments import Delivered, Verbose, delivery_day, source_of
from dataflow_assets.cli.output import details_in, progress, say
from dataflow_assets.errors import FormatError, NotFoundError, QuarantinedError, UsageError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg

    from dataflow_assets.landing.deliveries import Delivery, Landing
    from dataflow_assets.sources.base import Source

_MOST_REASONS = 5


def _formats() -> list[str]:
    from dataflow_assets.sources.formats import known_suffixes

    return sorted({suffix.removeprefix(".") for suffix in known_suffixes().values()})


def _known(collector: str) -> str:
    """Look whether there is such a format or place; the files of `sources.formats` and `collectors` say which."""
    if collector not in (formats := _formats()):
        from dataflow_assets.cli.fetch import places

        if collector not in (known := places()):
            raise typer.BadParameter(
                f"{collector!r} is no format; the formats are {', '.join(formats)}, and files are fetched from "
                f"elsewhere by {', '.join(sorted(known))}"
            )
    return collector


def load(
    model: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    collector: Annotated[
        str, typer.Option(help="The format of the file, such as csv, or how it is fetched: sftp, …", callback=_known)
    ],
    config: Annotated[str, typer.Option(help="The file to load, or its address, such as sftp://me@host/out/a.csv.")],
    delivered: Delivered = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--with", help="Of an address, what a declaration would say, such as password=SFTP_PASSWORD."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Land one file, and materialize what it touches.

    What was rejected is said, and why.
    """
    settings = load_settings()
    source = source_of(model)
    with details_in(settings, "load", verbose=verbose):
        if collector not in _formats():
            from dataflow_assets.cli.fetch import load_from

            load_from(settings, source, collector, config, options or (), delivered)
        elif options:
            raise UsageError("--with says more about an address, and --config is a file.")
        elif source.reader.suffix != f".{collector}":
            raise UsageError(f"{source.name} is delivered as {source.reader.suffix[1:]}, not as {collector}.")
        else:
            load_file(settings, source, Path(config), delivery_day(settings, delivered))


def load_file(settings: Settings, source: "Source", path: Path, day: date) -> None:
    """Load a file that is on this machine, and say what was rejected."""
    from dataflow_assets.lake.readers import check_format
    from dataflow_assets.sources.companions import is_ignored

    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    if is_ignored(path.name, source.companions):
        raise UsageError(f"{path.name} is named like a file that is no data of {source.name}; give it another name.")
    check_format(path, source)
    materialize(settings, [(source, path)], day, reasons=_MOST_REASONS)


def release(
    objects: Annotated[list[str] | None, typer.Argument(help="Keys of landed objects that are quarantined.")] = None,
    source: Annotated[str | None, typer.Option(help="All that is quarantined of this source and the day.")] = None,
    day: Annotated[str | None, typer.Option(help="Their delivery day, YYYY-MM-DD.")] = None,
) -> None:
    """Load what was quarantined, as it is.

    This lasts for these versions of the objects.
    """
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.ledger.delivery_reports import read_quarantined_deliveries
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    if bool(objects) == bool(source) or bool(source) != bool(day):
        raise UsageError("Name objects, or give --source and --day.")
    settings = load_settings()
    url = open_warehouse(settings)
    quarantined = read_quarantined_deliveries(url)
    if source:
        name, of_day = source_of(source).name, delivery_day(settings, day)
        deliveries = [one for one in quarantined if (one.source, one.day) == (name, of_day)]
        if not deliveries:
            raise NotFoundError(f"Nothing of {name} that was delivered on {of_day} is quarantined.")
    else:
        deliveries = [one for one in quarantined if one.object in set(objects or ())]
    _require_unchanged(
        Landing(open_storage(settings)), [*(objects or ()), *(one.object for one in deliveries)], deliveries
    )
    with details_in(settings, "release", verbose=False):
        _require_accepted(url, bring(settings, lambda: deliveries, release=True))
    say(f"Released: {', '.join(delivery.object for delivery in deliveries)}")


def _require_unchanged(landing: "Landing", wanted: Sequence[str], quarantined: Sequence["Delivery"]) -> None:
    """Check that landing holds what was quarantined: nobody has seen what came in its place, and it is not released."""
    now = {key: landing.current(key) for key in dict.fromkeys(wanted)}
    if gone := [key for key, delivery in now.items() if delivery is None]:
        raise NotFoundError(f"There is no object {', '.join(gone)} in landing; land it again to release it.")
    if others := [key for key in now if key not in {one.object for one in quarantined}]:
        raise NotFoundError(
            f"{', '.join(others)} is not quarantined; `dataflow deliveries --state quarantined` lists what is."
        )
    versions = {key: (found.etag, found.size) for key, found in now.items() if found}
    if replaced := [one.object for one in quarantined if versions[one.object] != (one.etag, one.size)]:
        raise QuarantinedError(
            f"{', '.join(replaced)} was replaced since it was quarantined, and nobody has looked at what came in its "
            "place. Nothing was released: load it first, and release it if it is quarantined again."
        )


def replay(source: Annotated[str | None, typer.Option(help="Only of this source.")] = None) -> None:
    """Read files with rejected rows again, as declared today.

    Those are read that another declaration than the present one rejected.
    """
    from dataflow_assets.lake.known import read_otherwise
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.ledger.delivery_reports import find_incomplete_deliveries
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    settings = load_settings()
    sources = [source_of(source)] if source else all_sources()
    url, storage = open_warehouse(settings), open_storage(settings)
    wanted = [
        found
        for each in sources
        for found in read_otherwise(
            storage, each, find_incomplete_deliveries(url, each), settings.timezone, settings.first_day
        )
    ]
    now = {delivery.object: Landing(storage).current(delivery.object) for delivery in wanted}
    for key in (key for key, delivery in now.items() if delivery is None):
        say(f"{key} is gone from landing, so that its rejected rows cannot be read again.", logging.WARNING)
    present = [delivery for delivery in now.values() if delivery]
    if not present:
        say("Nothing to read again: what was rejected was rejected by the present declarations.")
        return
    with details_in(settings, "replay", verbose=False):
        bring(settings, lambda: present)
        _say_rejected(url, present, reasons=_MOST_REASONS)
    say(f"Read again: {', '.join(delivery.object for delivery in present)}")


def materialize(settings: Settings, files: Sequence[tuple["Source", Path]], day: date, *, reasons: int = 0) -> None:
    """Land files, bring everything after them, and say what was rejected, with so many reasons."""
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.warehouse.bootstrap import database_url

    def land() -> list["Delivery"]:
        landing = Landing(open_storage(settings))
        return [landing.put_changed(source.name, day, path) for source, path in files]

    deliveries = bring(settings, land)
    url = database_url(settings)
    _say_rejected(url, deliveries, reasons=reasons)
    _require_accepted(url, deliveries)


def bring(settings: Settings, land: Callable[[], list["Delivery"]], *, release: bool = False) -> list["Delivery"]:
    """Bring everything after deliveries, which are landed once the warehouse is open; the deliveries."""
    from dataflow_assets.warehouse.bootstrap import open_writable_warehouse

    with progress() as report:
        report("Opening the warehouse")
        with ThreadPoolExecutor(1) as beside:
            opened = beside.submit(open_writable_warehouse, settings)  # its server starts while Dagster is imported
            from dataflow_assets.orchestration.runs.in_process import Materializer
            from dataflow_assets.runtime.instance import open_quick_instance

            opened.result()
        report("Landing the files")
        deliveries = land()

        @cache
        def definitions() -> "dg.Definitions":
            report("Loading the Dagster definitions")
            from dataflow_assets.definitions import build_definitions

            return build_definitions(settings)

        with open_quick_instance(settings) as instance:
            materializer = Materializer(
                settings,
                definitions,
                instance,
                lambda what: report(f"Materializing {what}"),
                lambda made: say(str(made)),
            )
            materializer.materialize(deliveries, release=release)
    if materializer.has_kept:
        say("What was made from the same files and tables before was left; `dataflow backfill` makes it again.")
    for warning in materializer.warnings:
        say(warning, logging.WARNING)
    return deliveries


def _say_rejected(url: str, landed: Sequence["Delivery"], *, reasons: int = 0) -> None:
    """Say how many rows of what was landed were rejected, and the most frequent reasons, so many of them."""
    from dataflow_assets.ledger.reject_reports import count_reasons, count_rejected

    if not (counted := count_rejected(url, landed)):
        return
    told = ", ".join(f"{one.rejected:,} of {one.delivered:,} {one.source}" for one in counted)
    say(f"Rejected: {told} (see `dataflow rejects`)")
    found = count_reasons(url, landed) if reasons else []
    for one in found[:reasons]:
        where = f", first in line {one.line:,}" if one.line else ""
        say(f"  {one.rows:,} of {one.source}{where}: {one.message}")
    if found[reasons:]:
        say(f"  {sum(one.rows for one in found[reasons:]):,} for {len(found) - reasons:,} other reasons")


def _require_accepted(url: str, deliveries: Sequence["Delivery"]) -> None:
    from dataflow_assets.ledger.delivery_reports import find_quarantined_objects, find_refused_objects

    if names := find_refused_objects(url, deliveries):
        raise FormatError(f"{', '.join(names)} was refused; `dataflow rejects` says why.")
    if names := find_quarantined_objects(url, deliveries):
        raise QuarantinedError(f"{', '.join(names)} is quarantined, and nothing of it is loaded.")
