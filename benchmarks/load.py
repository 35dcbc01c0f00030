"""A landed CSV to a committed, keyed partition, against other loaders, on the same bytes and server.

    python -m benchmarks.load --rows 4000000

Rivals take turns; before each the server makes a checkpoint and the file is read once. Processor seconds are those of
the loader and of the server; of the others their own start is among them, which is a second at most.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common, processor
from benchmarks.data import DAY, write_streams
from benchmarks.load_rivals import KEY, copy, dlt, pgloader, sling

Figures = dict[str, Any]


def main() -> None:
    """Run the rivals in turn and print the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rivals", default="ours,duplicates,copy_heap,copy_keyed,dlt_append,dlt_merge,sling,pgloader")
    arguments = parser.parse_args()
    with common.server() as (home, url):
        files = {share: home / f"streams-{share}.csv" for share in (0.0, 0.01)}
        for share, path in files.items():
            write_streams(path, arguments.rows, duplicates=share)
        rivals = _rivals(home, url, files)
        wanted = [name for name in rivals if name in arguments.rivals.split(",")]
        rounds: dict[str, list[Figures]] = {name: [] for name in wanted}
        for _ in range(arguments.rounds):
            for name in wanted:
                common.fair_start(url, *files.values())
                rounds[name].append(rivals[name]())
        result = {
            "rows": arguments.rows,
            "csv_bytes": files[0.0].stat().st_size,
            "seconds": _medians(rounds, "seconds"),
            "processor_seconds": _medians(rounds, "processor_seconds"),
            "rounds": rounds,
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _medians(rounds: dict[str, list[Figures]], figure: str) -> dict[str, float]:
    return {name: common.median([found[figure] for found in all_found]) for name, all_found in rounds.items()}


def _rivals(home: Path, url: str, files: dict[float, Path]) -> dict[str, Callable[[], Figures]]:
    file, server = files[0.0], processor.server_process(url)

    def measured(work: Callable[[], float]) -> Callable[[], Figures]:
        def measure() -> Figures:
            before = processor.seconds(server)
            seconds = work()
            return {"seconds": seconds, "processor_seconds": processor.seconds(server) - before}

        return measure

    return {
        "ours": lambda: load_ours(home, url, [file]),
        "duplicates": lambda: load_ours(home, url, [files[0.01]]),
        "copy_heap": measured(lambda: copy(url, [file])),
        "copy_keyed": measured(lambda: copy(url, [file], f", PRIMARY KEY ({KEY})")),
        "dlt_append": measured(lambda: dlt(url, file, "append")),
        "dlt_merge": measured(lambda: dlt(url, file, "merge")),
        "sling": measured(lambda: sling(home, url, file)),
        "pgloader": measured(lambda: pgloader(home, url, file)),
    }


def load_ours(home: Path, url: str, paths: Sequence[Path]) -> Figures:
    """A first load of files, landed as one day's objects, into an empty lake and an empty day."""
    return common.ours("benchmarks.our_load", home, url, "streams", [(DAY, path) for path in paths])


if __name__ == "__main__":
    main()
