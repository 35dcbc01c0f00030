"""A simulated month of six sources with late, doubled, changed, broken and missing files, in a shuffled order.

    python -m benchmarks.month --days 31

A running `dataflow up` gets all versions of all files, in waves: the next one when the lake has the one before. Once
nothing is left to do, every table and every answer is compared with those of another home, which got the last version
of each file in order, day by day, in one process; its events and answers are made at the end, once. Prints figures as
JSON; ends with 1 where anything differs or a run failed.

How long a delivery takes is read off Dagster's records: from the drop to the end of the first load of its days that
knows it, and of the first daily answers of these days that were begun after that.

Here: delivering, waiting and figures. Not here: the files, and what is compared (see the tests'
`simulated_month`).
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks import common
from dataflow_assets.analytics import all_answers
from dataflow_assets.definitions import build_definitions
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.ingest_config import ingest_config
from dataflow_assets.orchestration.planning.staleness import stale_partitions
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Events
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.loading import Landed
from dataflow_assets_tests.orchestration.builders import SENSORS, Platform, key, reasons
from dataflow_assets_tests.simulated_month import FIRST, Object, in_order, month, outcome, shuffled

_MONTHS_BEFORE = timedelta(days=30)  # in which there are events too
_DAYS_AFTER = timedelta(days=9)  # of which there are answers too


@dataclass(frozen=True)
class Drop:
    """One version of an object, and when it was there, in seconds since 1970."""

    file: Landed
    at: float
    is_again: bool  # the same bytes as the version before


def main() -> None:
    """Run both and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--waves", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="after which it is given up")
    arguments = parser.parse_args()
    objects = month(arguments.days, arguments.seed)
    deadline = time.monotonic() + 60 * arguments.minutes
    found, figures = deliver_live(shuffled(objects, arguments.waves, arguments.seed), arguments.days, deadline)
    expected = deliver_in_order(objects)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    result = {
        "days": arguments.days,
        "objects": len(objects),
        **figures,
        "tables_compared": len(expected),
        "rows_compared": sum(len(rows) for rows in expected.values()),
        "differing": differing,
    }
    print(json.dumps(result, indent=2))  # noqa: T201
    for name in differing:
        _tell(name, expected.get(name), found.get(name))
    sys.exit(1 if differing or figures["runs_failed"] else 0)


def deliver_live(
    waves: Sequence[Sequence[Landed]], days: int, deadline: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deliver to a running platform, and wait until it has settled: what it says then, and figures."""
    with _home() as folder, open_instance(load_settings()) as instance, up(folder):
        platform = Platform(load_settings(), build_definitions(load_settings()), instance)
        drops: list[Drop] = []
        last: dict[str, str] = {}
        start = time.time()
        for number, wave in enumerate(waves, start=1):
            for file in wave:
                platform.land(file.source, file.day.isoformat(), file.text, file.name, seconds_ago=0)
                drops.append(Drop(file, time.time(), last.get(file.key) == file.text))
                last[file.key] = file.text
            _wait_until(lambda: not _left(platform, days, "lake"), deadline)
            print(f"wave {number} of {len(waves)}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)  # noqa: T201
        _wait_until(lambda: _is_settled(platform, days), deadline)
        end = max(record.end_time or 0 for record in instance.get_run_records())
        runs = instance.get_runs()
        figures = {
            "deliveries": len(drops),
            "seconds": round(end - start),
            "deliveries_an_hour": round(3600 * len(drops) / (end - start)),
            "runs": dict(Counter(run.job_name for run in runs)),
            "runs_failed": sum(run.status is dg.DagsterRunStatus.FAILURE for run in runs),
            "seconds_of_a_delivery": {stage: _spread(found) for stage, found in _durations(platform, drops).items()},
        }
        return outcome(platform), figures


def deliver_in_order(objects: Sequence[Object]) -> dict[str, Any]:
    """Deliver the last version of each object to a home of its own, a day after the other; what it says then.

    A changed dump changes all answers: made day by day, those of a month take longer than all else.
    """
    with _home(), open_instance(load_settings()) as instance:
        platform = Platform(load_settings(), build_definitions(load_settings()), instance)
        landed: list[Delivery] = []
        for files in in_order(objects):
            of_day = [platform.land(file.source, file.day.isoformat(), file.text, file.name) for file in files]
            _load_dumps(platform, of_day)
            landed += of_day
        platform.materialize(*landed)
        return outcome(platform)


def _load_dumps(platform: Platform, deliveries: Sequence[Delivery]) -> None:
    """Take the deliveries of a day into the lake, and the dumps among them on into the warehouse."""
    sources = [find_source(name) for name in sorted({delivery.source for delivery in deliveries})]
    assets = [f"lake/{source.name}" for source in sources]
    assets += [f"warehouse/{source.name}" for source in sources if not isinstance(source, Events)]
    done = platform.run(" ".join(assets), deliveries[0].day.isoformat(), config=ingest_config(deliveries))
    assert done.success, reasons(done)


@contextmanager
def _home() -> Iterator[Path]:
    """A folder in which a platform with an empty home and database works; the environment says so."""
    with common.server() as (home, url):
        upgrade(url)
        folder = home / "platform"
        folder.mkdir()
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = str(folder / "home"), url
        yield folder


def _wait_until(holds: Callable[[], bool], deadline: float) -> None:
    while not holds():
        assert time.monotonic() < deadline, "it has not settled in time"
        time.sleep(2)


def _is_settled(platform: Platform, days: int) -> bool:
    """Whether nothing is under way or left, and the sensors have looked, each after the one before, and seen that."""
    records = platform.instance.get_run_records(limit=1000)
    if any(record.dagster_run.status in UNFINISHED for record in records):
        return False
    looks: dict[str, Any] = {state.name: state.instigator_data for state in platform.instance.all_instigator_state()}
    looked = [looks[sensor].last_tick_timestamp for sensor in SENSORS]
    ended = max(record.end_time or 0 for record in records)
    return ended < min(looked) and not any(_left(platform, days, layer) for layer in ("lake", "warehouse", "analytics"))


def _left(platform: Platform, days: int, layer: str) -> dict[str, list[date]]:
    """The partitions of the assets of a layer that are to be made still."""
    first, count = FIRST - _MONTHS_BEFORE, (days * timedelta(days=1) + _MONTHS_BEFORE + _DAYS_AFTER).days
    every = [first + timedelta(days=number) for number in range(count)]
    months = sorted({day.replace(day=1) for day in every})
    partitions = (
        {answer.name: every if answer.grain == "day" else months for answer in all_answers()}
        if layer == "analytics"
        else {source.name: every for source in all_sources()}
    )
    found = {
        name: stale_partitions(open_stores(platform.settings), dg.AssetKey([layer, name]), wanted)
        for name, wanted in partitions.items()
    }
    return {name: left for name, left in found.items() if left}


# How long it took


@dataclass(frozen=True)
class Made:
    """One materialization: its partition, its run and when that began, when it was there, and from which lake."""

    partition: str
    run: str
    began: float
    at: float
    lake_version: int
    is_changed: bool


def _durations(platform: Platform, drops: Sequence[Drop]) -> dict[str, list[float]]:
    """How many seconds deliveries took to the lake, to the warehouse and to the daily answers that read them.

    Those of the same bytes are left out, and so are those that no load of the warehouse changed.
    """
    began = {record.dagster_run.run_id: record.start_time or 0.0 for record in platform.instance.get_run_records()}
    found: dict[str, list[float]] = {"lake": [], "warehouse": [], "answers": []}
    made = {
        asset: _made(platform, asset, began)
        for asset in (
            *(f"{layer}/{source.name}" for source in all_sources() for layer in ("lake", "warehouse")),
            *(f"lake/{source.name}_days" for source in all_sources() if isinstance(source, Events)),
            *(f"analytics/{answer.name}" for answer in all_answers()),
        )
    }
    for drop in drops:
        if not drop.is_again:
            for stage, at in _stages(drop, made):
                found[stage].append(at - drop.at)
    return found


def _stages(drop: Drop, made: Mapping[str, list[Made]]) -> Iterator[tuple[str, float]]:
    """When a delivery was in the lake, in the warehouse and in the answers, as far as it came."""
    source, day = find_source(drop.file.source), drop.file.day.isoformat()
    taken = next(one for one in made[f"lake/{source.name}"] if one.partition == day and one.at > drop.at)
    yield "lake", taken.at
    knowing = [one for one in made[f"warehouse/{source.name}"] if one.lake_version >= taken.lake_version]
    if isinstance(source, Events):
        days = {one.partition for one in made[f"lake/{source.name}_days"] if one.run == taken.run}
        loads = list(_first_of_each(days, knowing))
    else:
        days, loads = {day}, knowing[:1]
    if not any(load.is_changed for load in loads):
        return
    loaded = max(load.at for load in loads)
    yield "warehouse", loaded
    answers = [answer for answer in all_answers() if source.name in answer.reads and answer.grain == "day"]
    later = ((one for one in made[f"analytics/{answer.name}"] if one.began > loaded) for answer in answers)
    if answered := [one.at for of_answer in later for one in _first_of_each(days, of_answer)]:
        yield "answers", max(answered)


def _first_of_each(days: Collection[str], made: Iterable[Made]) -> Iterator[Made]:
    """The first that was made of each of some days."""
    left = set(days)
    for one in made:
        if one.partition in left:
            left.remove(one.partition)
            yield one


def _made(platform: Platform, asset: str, began: Mapping[str, float]) -> list[Made]:
    """The materializations of an asset, oldest first."""
    found: list[Made] = []
    after: str | None = None
    while True:
        page = platform.instance.fetch_materializations(key(asset), limit=1000, cursor=after, ascending=True)
        for record in page.records:
            assert record.asset_materialization
            told: dict[str, Any] = {name: value.value for name, value in record.asset_materialization.metadata.items()}
            version, is_changed = told.get("lake_version", 0), bool(told.get("is_changed", 1))
            at = (str(record.partition_key), record.run_id, began[record.run_id], record.timestamp)
            found.append(Made(*at, version, is_changed))
        if not page.has_more:
            return found
        after = page.cursor


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {"deliveries": len(seconds)}
    return {
        "deliveries": len(seconds),
        "median": round(statistics.median(seconds), 1),
        "p95": round(statistics.quantiles(seconds, n=20, method="inclusive")[-1], 1),
        "max": round(max(seconds), 1),
    }


def _tell(name: str, expected: Any, found: Any) -> None:
    """A few of the rows that only one of the two has."""
    ours, theirs = ({repr(row) for row in (rows or [])} for rows in (found, expected))
    for title, rows in (("only live", ours - theirs), ("only in order", theirs - ours)):
        print(f"{name}, {title}: {len(rows)}", *sorted(rows)[:3], sep="\n  ", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
