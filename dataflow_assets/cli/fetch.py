"""Loading one file, or what a topic holds, from elsewhere by hand.

Here: from the options of `dataflow load` to what is fetched. Not here: what follows (see `cli.load` and `cli.collect`).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow_assets.cli.arguments import delivery_day
from dataflow_assets.cli.collect import collect_from
from dataflow_assets.cli.load import load_file
from dataflow_assets.cli.output import progress
from dataflow_assets.errors import UsageError
from dataflow_assets.settings import Settings

if TYPE_CHECKING:
    from dataflow_assets.sources.base import Source
    from dataflow_assets.sources.origins.base import Origin


def places() -> Mapping[str, "type[Origin]"]:
    """The kinds of places from which something is fetched by hand, by the name that the command has for each."""
    from dataflow_assets.collectors import all_collectors

    return {kind.schemes[0]: kind for kind in all_collectors() if kind.schemes}


def load_from(
    settings: Settings, source: "Source", place: str, address: str, options: Sequence[str], delivered: str | None
) -> None:
    """Load the file at an address, with options such as `password=SFTP_PASSWORD`; of a stream, what is new there."""
    from dataflow_assets.collectors.fetch import fetch
    from dataflow_assets.collectors.follow import is_stream

    arriving = _arriving_from(source, places()[place], address, options)
    assert arriving.arrives
    if is_stream(arriving):
        if delivered:
            raise UsageError(f"What comes from {arriving.arrives.address} says its day itself; leave --delivered out.")
        collect_from(settings, [arriving], load=True)
        return
    day = delivery_day(settings, delivered)
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        with progress() as report:
            report(f"Fetching from {arriving.arrives.address}")
            path = fetch(arriving, settings.timezone, Path(folder))
        load_file(settings, source, path, day)


def _arriving_from(source: "Source", kind: "type[Origin]", address: str, options: Sequence[str]) -> "Source":
    from dataflow_assets.sources.origins.addresses import origin_at

    pairs = [option.partition("=") for option in options]
    if unsaid := [name for name, sign, _ in pairs if not sign]:
        raise UsageError(f"{', '.join(unsaid)} has no value; write --with NAME=VALUE.")
    try:
        origin = origin_at(kind, address, {name: value for name, _, value in pairs}, source.arrives)
        return replace(source, arrives=origin)
    except ValueError as error:
        raise UsageError(f"Nothing can be fetched so: {error}.") from None
