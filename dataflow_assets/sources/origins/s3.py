"""Objects in a bucket of S3.

Here: what a declaration says of one. Not here: connecting to it (see `collectors.s3`).
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal
from urllib.parse import SplitResult

from dataflow_assets.sources.origins.base import Origin, folder_and_name
from dataflow_assets.sources.origins.patterns import NamePattern


@dataclass(frozen=True, kw_only=True)
class S3(Origin):
    """Objects in a bucket, of Amazon or, at `endpoint`, of anything else that speaks S3.

    `pattern` says which objects below `folder` are the source's, and `day_of` on which day those land whose names say
    none, as they do of the files of a server (see `base.FileOrigin`). `access_key_id` and `secret_access_key` are names
    of environment variables; without them, requests are not signed.
    """

    label: ClassVar[str] = "S3"
    schemes: ClassVar[tuple[str, ...]] = ("s3",)
    bucket: str
    pattern: str
    folder: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None
    day_of: Literal["first_landing", "modification"] = "first_landing"

    @cached_property
    def names(self) -> NamePattern:
        """The pattern, ready to be matched."""
        return NamePattern(self.pattern)

    @property
    def address(self) -> str:
        """Such as `s3://vendor/outgoing`."""
        return f"s3://{self.bucket}/{self.folder.strip('/')}".rstrip("/")

    @classmethod
    def fields_at(cls, address: SplitResult) -> Mapping[str, Any]:
        """Those of `s3://bucket/folder/name.csv`."""
        folder, name = folder_and_name(address.path)
        return {"bucket": address.netloc, "folder": folder, "pattern": name}

    @property
    def server(self) -> Hashable:
        """The bucket, wherever it is."""
        return self.bucket, self.endpoint

    @property
    def variables(self) -> Mapping[str, str | None]:
        """Those of the two keys."""
        return {"access_key_id": self.access_key_id, "secret_access_key": self.secret_access_key}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if not self.bucket or "/" in self.bucket:
            yield f"{self.bucket!r} is no name of a bucket"
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            yield f"{self.endpoint!r} is no address such as https://s3.example.com"
        if (self.access_key_id is None) != (self.secret_access_key is None):
            yield "name the environment variables of both keys, or of neither"
        if self.names.has_day and self.day_of != "first_landing":
            yield "the pattern says the day, and so does day_of; leave one of them out"
