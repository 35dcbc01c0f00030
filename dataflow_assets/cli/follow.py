"""The command that brings what comes of streams, for as long as it runs.

Here: arguments, signals and what is said. Not here: work.
"""

import logging
import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.arguments import source_of
from dataflow_assets.cli.collect import build_collecting
from dataflow_assets.cli.output import say
from dataflow_assets.errors import UsageError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dataflow_assets.sources.base import Source


def follow(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    if_any: Annotated[bool, typer.Option("--if-any", hidden=True, help="End where there is no stream.")] = False,
) -> None:
    """Land what arrives as a stream, until it is stopped."""
    from dataflow_assets.collectors.follow import is_stream
    from dataflow_assets.sources import all_sources

    streams = [each for each in ([source_of(source)] if source else all_sources()) if is_stream(each)]
    if not streams and if_any:
        return
    if not streams:
        raise UsageError(f"{source} arrives from no stream." if source else "No source arrives from a stream.")
    _follow(load_settings(), streams)


def _follow(settings: Settings, streams: Sequence["Source"]) -> None:
    from dataflow_assets.collectors.follow import follow as follow_each
    from dataflow_assets.ledger.collected import open_record
    from dataflow_assets.warehouse.bootstrap import open_bound_warehouse

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    url, storage = open_bound_warehouse(settings)
    say(f"Following {', '.join(each.name for each in streams)}")
    follow_each(
        streams,
        lambda is_enough: build_collecting(settings, storage, say, is_enough),
        lambda each: open_record(url, each.name),
        stop,
        lambda problem: say(problem, logging.ERROR),
    )
