"""The command that shows everything at once, on a sample or on files of one's own.

Here: which files on which day, and where a new home begins. Not here: bringing them through the platform (see `load`).
"""

import logging
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.arguments import Delivered, Json, Verbose, delivery_day
from dataflow_assets.cli.inspect import print_answers
from dataflow_assets.cli.load import materialize
from dataflow_assets.cli.output import details_in, say
from dataflow_assets.errors import NotFoundError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dataflow_assets.sources.base import Source

_DELIVERED = "2021-12-31"  # files of one's own, unless an option says otherwise
_SAMPLE_DAYS = 31
_NOTE = "# Written by `dataflow demo`: where its sample begins. A variable of the environment comes first.\n"


def demo(
    data: Annotated[Path | None, typer.Option(help="Folder with internal/ and vendor/; without it, a sample.")] = None,
    delivered: Delivered = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Bring a sample, or files of yours, all the way to answers.

    A file of each source that has one is landed, and every asset after it materialized.

    Without files of yours, a sample of the last month up to yesterday.
    """
    if data is None:
        settings, data, day = _sample(load_settings(), delivered)
    else:
        settings = _with_every_day(load_settings())
        day = delivery_day(settings, delivered or _DELIVERED)
    files = _find_files(data)
    with details_in(settings, "demo", verbose=verbose):
        materialize(settings, files, day)
        print_answers(settings, {}, as_json=as_json)
    if not as_json:
        say("Next: `uv run dataflow up` opens the Dagster UI on what was made.")


def _sample(settings: Settings, delivered: str | None) -> tuple[Settings, Path, date]:
    """The settings, the folder of the sample, and the day on which it is delivered: that of the last demo, if any."""
    from dataflow_assets.sample_data import write_sample

    day = delivery_day(settings, delivered)
    samples = settings.home / "sample"
    if delivered is None and (written := sorted(path.name for path in samples.glob("????-??-??"))):
        day = date.fromisoformat(written[-1])
    if _is_new(settings):
        settings.home.mkdir(parents=True, exist_ok=True)
        first_day = day - timedelta(days=_SAMPLE_DAYS + 1)  # of some sessions the day before, in another time zone
        _file(settings).write_text(f"{_NOTE}DATAFLOW_FIRST_DAY={first_day}\n")
        settings = load_settings()
    folder = samples / day.isoformat()
    if not folder.exists():
        write_sample(folder, last_day=day - timedelta(days=1))
    return settings, folder, day


def _is_new(settings: Settings) -> bool:
    """Whether nothing was ever kept in this home, nor elsewhere for it, and nobody says where its partitions begin."""
    is_elsewhere = settings.database_url or settings.s3_bucket
    is_said = "first_day" in settings.model_fields_set
    return not (is_elsewhere or is_said or any((settings.home / name).exists() for name in ("postgres", "lake")))


def _with_every_day(settings: Settings) -> Settings:
    """The settings, without the first day that a demo of the sample wrote: files of one's own may be older."""
    file = _file(settings)
    if file.exists() and file.read_text().startswith(_NOTE):
        file.unlink()
        return load_settings()
    return settings


def _file(settings: Settings) -> Path:
    return settings.home / "settings.env"


def _find_files(folder: Path) -> list[tuple["Source", Path]]:
    """The file of each source that has one in a folder of deliveries.

    Raises:
        NotFoundError: none of them has one.
    """
    from dataflow_assets.sources import all_sources

    looked = f"in {folder / 'internal'} or {folder / 'vendor'}"
    found: list[tuple[Source, Path]] = []
    missing: list[str] = []
    for source in all_sources():
        name = source.name + source.reader.suffix
        paths = (folder / part / name for part in ("internal", "vendor"))
        if path := next((path for path in paths if path.is_file()), None):
            found.append((source, path))
        else:
            missing.append(name)
    if not found:
        raise NotFoundError(f"There is no file {missing[0]} {looked}.")
    for name in missing:
        say(f"There is no file {name} {looked}: nothing of this source is landed.", logging.WARNING)
    return found
