"""Fetching one file by hand, from anywhere that a collector knows.

Here: bringing it into a local folder, whole, as its collector does. Not here: landing and recording what is new (see
`collect`): a file that is fetched by hand is landed as any file that a user names.
"""

import shutil
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError, Known, Remote
from dataflow_assets.collectors.collect import masked_errors
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.sources.base import Source


class _NoRecord:
    """The record of somebody who has collected nothing (see `base.Record`)."""

    def read(self, paths: Collection[str]) -> Mapping[str, Known]:  # noqa: ARG002
        return {}

    def last(self, folder: str) -> None:  # noqa: ARG002
        return None

    def claim(self, objects: Mapping[str, tuple[date, str]]) -> Mapping[str, Known]:  # noqa: ARG002
        return {}

    def confirm(self, versions: Mapping[str, str]) -> None:
        pass

    def land(self, remote: Remote, before: Known | None, put: Callable[[], Delivery | None]) -> None:
        pass

    def report(self, failures: Mapping[str, str]) -> set[str]:
        return set(failures)


class _Folder:
    """A folder as the sink of one file (see `base.Sink`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file: Path | None = None
        self.problem = ""

    def land(self, remote: Remote, file: Path, *, replace: bool = True) -> None:  # noqa: ARG002
        self.file = self._folder / remote.name
        shutil.copyfile(file, self.file)

    def adopt(self, folders: Collection[str], version_of: Callable[[str, Path], str]) -> None:
        pass

    def fail(self, remote: Remote, reason: str) -> None:
        self.problem = f"{remote.path} cannot be brought: {reason}"

    def postpone(self, remote: Remote, reason: str) -> None:
        self.problem = f"{remote.path} cannot be brought now: {reason}"


def fetch(source: Source, timezone: str, folder: Path) -> Path:
    """Bring the file of the place from which a source `arrives` into a folder.

    Args:
        source: it arrives from a place that names one file.
        timezone: the business time zone.
        folder: an empty one.

    Raises:
        CollectError: it is not there, or cannot be brought.
    """
    collector, sink = open_collector(source, timezone), _Folder(folder)
    with masked_errors(collector.origin):
        found = list(collector.find(_NoRecord()))
        if not found:
            raise CollectError(
                f"There is no such file at {collector.origin.address}; one that is named as if it were still being "
                "written, such as *.part, is left alone."
            )
        for remote in found:
            if remote.fault:
                sink.fail(remote, remote.fault)
            else:
                collector.bring([remote], sink)
        if sink.file is None:
            raise CollectError(f"{collector.origin.address}: {sink.problem or 'nothing came'}.")
    return sink.file
