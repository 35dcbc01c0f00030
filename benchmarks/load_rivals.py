"""The contestants of `load` that are not ours, each by what its documentation says is its fastest way.

Here: one function for each, which gives the seconds that it took. Not here: taking turns, and our own.
"""

import contextlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common

KEY = "movie_title, user_email, start_at, end_at"
_COLUMNS = "movie_title text, user_email text, size_mb float8, start_at timestamptz, end_at timestamptz"


def copy(url: str, paths: Sequence[Path], key: str = "") -> float:
    """Seconds that psql takes to copy files into a new table."""
    _create_table(url, key)
    return sum(
        common.timed(lambda path=path: common.psql(url, f"\\copy rival.streams FROM '{path}' CSV HEADER"))  # type: ignore[misc]
        for path in paths
    )


def dlt(url: str, path: Path, disposition: str) -> float:
    """The same file by dlt, as Arrow batches and by COPY, which are its fastest ways."""
    import dlt as library  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    @library.resource(name="streams", write_disposition=disposition, primary_key=KEY.split(", "))
    def streams() -> Iterator[Any]:
        yield from csv.open_csv(path, csv.ReadOptions(block_size=32 << 20))

    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "DROP SCHEMA IF EXISTS rival_staging CASCADE")
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder, contextlib.redirect_stdout(io.StringIO()):
        pipeline = library.pipeline(
            "bench", pipelines_dir=folder, dataset_name="rival", destination=library.destinations.postgres(url)
        )
        return common.timed(lambda: pipeline.run(streams(), loader_file_format="csv"))


def sling(home: Path, url: str, path: Path) -> float:
    """The same file by sling's full refresh, into a table of its own, without a key; `sling` is on the path."""
    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "CREATE SCHEMA rival")
    source = ["--src-stream", path.as_uri()]
    target = ["--tgt-conn", f"{url}?sslmode=disable", "--tgt-object", "rival.streams"]
    return _run(home, "sling", "run", *source, *target, "--mode", "full-refresh")


def pgloader(home: Path, url: str, path: Path) -> float:
    """The same file by pgloader, into a table without a key; `pgloader` is on the path."""
    _create_table(url)
    form = "WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '\"'"
    command = home / "pgloader.load"
    command.write_text(f"LOAD CSV FROM '{path}' INTO {url} TARGET TABLE rival.streams {form};\n")
    return _run(home, "pgloader", str(command))


def _create_table(url: str, key: str = "") -> None:
    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "CREATE SCHEMA rival")
    common.sql(url, f"CREATE TABLE rival.streams ({_COLUMNS}{key})")


def _run(home: Path, *command: str) -> float:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return common.timed(lambda: subprocess.run(command, check=True, capture_output=True, env=environment, cwd=home))
