"""Objects of another bucket.

Here: listing them, and bringing those that are new. Not here: what a declaration says of the bucket (see
`sources.origins.s3`).

An object is whole as soon as it is there, and its etag says which version was read.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote, Sink, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.core.formatting import counted
from dataflow_assets.core.time_windows import day_of
from dataflow_assets.landing.deliveries import ObjectNameError
from dataflow_assets.landing.listing import Listed, list_objects
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.s3 import S3

_AT_ONCE = 8  # objects
_CHUNK = 8 << 20
_SECONDS = timedelta(seconds=30)
_ROOT = re.compile(r'\b(?:message|error): "([^"]+)"')  # of an error that comes from the network


class S3Collector(Collector[S3]):
    """Brings the objects of a folder of a bucket."""

    origin_type: ClassVar[type[Origin]] = S3

    def check(self) -> str:
        """List the folder; how many objects of the source there are."""
        count = sum(1 for _ in self._list())
        return f"{self.origin.address} has {counted(count, 'object')} of {self.source.name}."

    def find(self, record: Record) -> Iterable[Remote]:
        """The objects that are not recorded with their present etags."""
        listed = {remote.path: remote for remote in self._list()}
        known = record.read(list(listed))
        return [
            remote
            for path, remote in sorted(listed.items())
            if path not in known or known[path].version != remote.version
        ]

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring objects, several at once."""
        storage = self._open()
        with (
            tempfile.TemporaryDirectory(prefix="dataflow-") as folder,
            ThreadPoolExecutor(_AT_ONCE, "s3") as pool,
        ):
            tasks = [
                pool.submit(self._bring, storage, remote, Path(folder) / str(number), sink)
                for number, remote in enumerate(wanted)
            ]
            try:
                for task in tasks:
                    task.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _bring(self, storage: Storage, remote: Remote, file: Path, sink: Sink) -> None:
        try:
            self._read(storage, remote, file)
        except (FileNotFoundError, PreconditionError):
            sink.postpone(remote, "it was replaced or deleted there meanwhile")
        except (PermissionDeniedError, UnauthenticatedError):
            sink.fail(remote, "the keys may list it, but not read it")
        except BaseError as error:
            raise self._explain(error) from None
        else:
            self._land(remote, file, sink)
        finally:
            file.unlink(missing_ok=True)

    def _read(self, storage: Storage, remote: Remote, file: Path) -> None:
        body = obstore.get(storage.store, self._prefix + remote.path, options={"if_match": remote.version})
        with file.open("wb") as out:
            for chunk in body.stream(min_chunk_size=_CHUNK):
                out.write(chunk)
        if file.stat().st_size != remote.size:
            raise UnreachableError(f"{self.origin.address} sent {remote.path} cut short.")

    def _land(self, remote: Remote, file: Path, sink: Sink) -> None:
        try:
            sink.land(remote, file)
        except ObjectNameError as error:
            sink.fail(remote, str(error))

    @property
    def _prefix(self) -> str:
        folder = self.origin.folder.strip("/")
        return f"{folder}/" if folder else ""

    def _list(self) -> Iterator[Remote]:
        try:
            for found in list_objects(self._open(), self._prefix):
                path = found.key.removeprefix(self._prefix)
                if self.origin.names.matches(path):
                    yield self._remote(path, found)
        except (BaseError, FileNotFoundError) as error:
            raise self._explain(error) from None

    def _remote(self, path: str, found: Listed) -> Remote:
        modified = found.last_modified
        day: date | None = self.origin.names.day_of(path)
        if self.origin.day_of == "modification" and modified:
            day = day_of(modified, self.timezone)
        fault = None if modified else "its name cannot be read; have it renamed"
        return Remote(
            path=path, version=found.etag, name=path, day=day, size=found.size, modified=modified, fault=fault
        )

    def _open(self) -> Storage:
        origin = self.origin
        key, secret = secret_of(origin, "access_key_id"), secret_of(origin, "secret_access_key")
        endpoint = origin.endpoint or f"https://s3.{origin.region}.amazonaws.com"
        keys = (
            {"aws_access_key_id": key, "aws_secret_access_key": secret or ""} if key else {"aws_skip_signature": "true"}
        )
        options = {"aws_region": origin.region, "aws_endpoint_url": endpoint, **keys}
        store = S3Store(
            origin.bucket,
            config=options,  # type: ignore[arg-type]
            client_options={"timeout": _SECONDS, "allow_http": endpoint.startswith("http://")},
            retry_config={"max_retries": 3, "retry_timeout": _SECONDS},
        )
        return Storage(f"s3://{origin.bucket}", store, options)

    def _explain(self, error: Exception) -> CollectError:
        where, said, server = self.origin.address, str(error), self.origin.endpoint or "Amazon"
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return CollectError(f"{where} does not let us in: the keys are wrong, or may not list it.")
        if "NoSuchBucket" in said:
            return CollectError(f"There is no bucket {self.origin.bucket} at {server}.")
        root = _ROOT.search(said)
        reason = root[1] if root else said.splitlines()[0].rpartition(" - ")[2]
        return UnreachableError(f"{where} cannot be read at {server} ({reason}).")


COLLECTOR = S3Collector
