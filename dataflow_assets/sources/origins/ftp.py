"""Files on an FTP server.

Here: what a declaration says of one. Not here: connecting to it (see `collectors.ftp`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from dataflow_assets.sources.origins.base import FileOrigin


@dataclass(frozen=True, kw_only=True)
class Ftp(FileOrigin):
    """A folder on an FTP server, by TLS (FTPS) unless `tls` is false: then all can be read and changed on the way.

    The certificate must be one that the machine trusts, or that the file `ca_file` signed. `password` names an
    environment variable; the user `anonymous` needs none.
    """

    label: ClassVar[str] = "FTP"
    schemes: ClassVar[tuple[str, ...]] = ("ftp", "ftps")
    default_port: ClassVar[int] = 21
    password: str | None = None
    tls: bool = True
    ca_file: str | None = None

    @property
    def address(self) -> str:
        """Its URL without a password, whose scheme says whether TLS is used."""
        return super().address.replace("ftp://", "ftps://", 1) if self.tls else super().address

    @property
    def variables(self) -> Mapping[str, str | None]:
        """That of the password."""
        return {"password": self.password}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if self.password is None and self.user != "anonymous":
            yield "name the environment variable of the password"
        if self.ca_file is not None and not self.tls:
            yield "there is a ca_file, but no tls"
