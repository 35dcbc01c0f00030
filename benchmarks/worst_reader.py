"""One reading of one file in a process of its own: `python -m benchmarks.worst_reader preview|intake FORMAT FILE`.

Here: reading it, and saying what it took. Not here: the file (see `worst_files`), and the table (see `memory`).
"""

import json
import sys
import tempfile
from datetime import date
from pathlib import Path

import dataframely as dy

from benchmarks.memory import peak_rss_mib
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.preview import preview
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_folder
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Avro, Csv, Excel, FixedWidth, Format, Json, Parquet

_DAY = date(2021, 12, 1)
_PATHS = {"number": "$.number", "text": "$.text"}
_FORMATS: dict[str, Format] = {
    "csv": Csv(),
    "json": Json(paths=_PATHS),
    "json lines": Json(paths=_PATHS, lines=True),
    "parquet": Parquet(),
    "fixed width": FixedWidth(widths={"number": 10, "text": 10}),
    "avro": Avro(),
    "xlsx": Excel(),
    "ods": Excel(),
    "archives": Csv(),
}


class _Schema(dy.Schema):
    number = dy.Int64(nullable=False)
    text = dy.String(nullable=True)


def main(work: str, form: str, path: str) -> None:
    """Print the peak of this process in MiB and what became of the file."""
    source = Snapshot(
        name="worst",
        singular="worst",
        description="Files that take the most memory.",
        owner="team:benchmarks",
        schema=_Schema,
        reader=_FORMATS[form],
        key=("number",),
    )
    try:
        if work == "preview":
            found = preview(Path(path), source, "UTC", 5, None)
            said = f"{found.accepted:,} accepted, {found.rejected:,} rejected"
        else:
            said = _ingest(source, Path(path))
    except FormatError:
        said = "refused"
    print(json.dumps({"peak": peak_rss_mib(), "said": said}))  # noqa: T201


def _ingest(source: Snapshot, path: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as home:
        storage = open_folder(Path(home))
        delivery = Landing(storage).put(source.name, _DAY, path)
        intake = ingest(storage, source, delivery.object, "UTC", first_day=_DAY)
        assert intake
        if intake.refusal:
            return "refused"
        return "quarantined" if intake.quarantine_reason else f"{intake.accepted:,} accepted"


if __name__ == "__main__":
    main(*sys.argv[1:])
