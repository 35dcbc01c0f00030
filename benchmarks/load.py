"""A landed CSV to a committed, keyed partition, against psql's \\copy and dlt, on the same bytes and server.

    python -m benchmarks.load --rows 4000000

Rivals take turns; before each the server makes a checkpoint and the file is read once.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.data import DAY, write_streams

_COLUMNS = "movie_title text, user_email text, size_mb float8, start_at timestamptz, end_at timestamptz"
_KEY = "movie_title, user_email, start_at, end_at"


def main() -> None:
    """Run the rivals in turn and print the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rivals", default="ours,duplicates,copy_heap,copy_keyed,dlt_append,dlt_merge")
    arguments = parser.parse_args()
    with common.server() as (home, url):
        files = {share: home / f"streams-{share}.csv" for share in (0.0, 0.01)}
        for share, path in files.items():
            write_streams(path, arguments.rows, duplicates=share)
        rivals = _rivals(home, url, files)
        wanted = [name for name in rivals if name in arguments.rivals.split(",")]
        seconds: dict[str, list[float]] = {name: [] for name in wanted}
        details: list[dict[str, Any]] = []
        for _ in range(arguments.rounds):
            for name in wanted:
                common.fair_start(url, *files.values())
                took, detail = rivals[name]()
                seconds[name].append(took)
                details += [{"rival": name, **detail}] if detail else []
        figures = {f"{name}_s": common.median(taken) for name, taken in seconds.items()}
        memory = [detail["peak_rss_mib"] for detail in details]
        result = {
            "rows": arguments.rows,
            "csv_bytes": files[0.0].stat().st_size,
            **figures,
            "peak_rss_mib": max(memory, default=None),
            "rounds": seconds,
            "details": details,
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


Rival = Callable[[], tuple[float, dict[str, Any] | None]]


def _rivals(home: Path, url: str, files: dict[float, Path]) -> dict[str, Rival]:
    return {
        "ours": lambda: load_ours(home, url, [files[0.0]]),
        "duplicates": lambda: load_ours(home, url, [files[0.01]]),
        "copy_heap": lambda: (copy(url, [files[0.0]]), None),
        "copy_keyed": lambda: (copy(url, [files[0.0]], f", PRIMARY KEY ({_KEY})"), None),
        "dlt_append": lambda: (_dlt(url, files[0.0], "append"), None),
        "dlt_merge": lambda: (_dlt(url, files[0.0], "merge"), None),
    }


def load_ours(home: Path, url: str, paths: Sequence[Path]) -> tuple[float, dict[str, Any]]:
    """A first load of files, landed as one day's objects, into an empty lake and an empty day."""
    module = "benchmarks.our_load"
    found = common.ours(module, home, url, "streams", [(DAY, path) for path in paths])
    return found["seconds"], found


def copy(url: str, paths: Sequence[Path], key: str = "") -> float:
    """Seconds that psql takes to copy files into a new table."""
    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "CREATE SCHEMA rival")
    common.sql(url, f"CREATE TABLE rival.streams ({_COLUMNS}{key})")
    return sum(
        common.timed(lambda path=path: common.psql(url, f"\\copy rival.streams FROM '{path}' CSV HEADER"))  # type: ignore[misc]
        for path in paths
    )


def _dlt(url: str, path: Path, disposition: str) -> float:
    """The same file by dlt, as Arrow batches and by COPY, which are its fastest ways."""
    import dlt  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    @dlt.resource(name="streams", write_disposition=disposition, primary_key=_KEY.split(", "))
    def streams() -> Iterator[Any]:
        yield from csv.open_csv(path, csv.ReadOptions(block_size=32 << 20))

    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "DROP SCHEMA IF EXISTS rival_staging CASCADE")
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder, contextlib.redirect_stdout(io.StringIO()):
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, dataset_name="rival", destination=dlt.destinations.postgres(url)
        )
        return common.timed(lambda: pipeline.run(streams(), loader_file_format="csv"))


if __name__ == "__main__":
    main()
