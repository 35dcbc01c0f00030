"""Files on an SFTP server.

Here: what a declaration says of one. Not here: connecting to it (see `collectors.sftp`).
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from dataflow_assets.sources.origins.base import FileOrigin


@dataclass(frozen=True, kw_only=True)
class Sftp(FileOrigin):
    """A folder on an SFTP server.

    `host_key` is the public key by which the server proves itself, as `ssh-keyscan` prints it after the host's name:
    `ssh-ed25519 AAAA…`. Ask its owner for it; without it anyone in between could take the password. The user proves
    itself by `password` (the name of an environment variable) or by a private key, the file `key_file`, whose
    passphrase, where it has one, is in the environment variable `key_passphrase`.
    """

    label: ClassVar[str] = "SFTP"
    schemes: ClassVar[tuple[str, ...]] = ("sftp",)
    default_port: ClassVar[int] = 22
    host_key: str
    password: str | None = None
    key_file: str | None = None
    key_passphrase: str | None = None

    @property
    def variables(self) -> Mapping[str, str | None]:
        """Those of the password and of the key's passphrase."""
        return {"password": self.password, "key_passphrase": self.key_passphrase}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if not _is_public_key(self.host_key):
            yield "host_key is no public key, such as 'ssh-ed25519 AAAA…'; `ssh-keyscan HOST` prints those of a server"
        if self.password is None and self.key_file is None:
            yield "name the environment variable of the password, or a key_file"
        if self.key_passphrase is not None and self.key_file is None:
            yield "there is a key_passphrase, but no key_file"


def _is_public_key(text: str) -> bool:
    """Whether a text is a public key of SSH: its kind, and bytes that begin with the same."""
    kind, _, rest = text.strip().partition(" ")
    try:
        data = base64.b64decode(rest.split(" ")[0], validate=True)
    except ValueError:  # also where it has other characters than ASCII
        return False
    return bool(kind) and data[4 : 4 + len(kind)] == kind.encode() and data[:4] == len(kind).to_bytes(4, "big")
