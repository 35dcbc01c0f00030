"""Access tokens: JSON Web Tokens that say who somebody is, for a quarter of an hour.

Here: the keys that sign them, signing and checking. Not here: what somebody may, which is looked up for each request
(see `access`), and refresh tokens (see `refresh_tokens`).
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from dataflow_assets.serving.refusals import NotAuthenticatedError
from dataflow_assets.settings import Settings

ALGORITHM = "HS256"
LIFETIME = timedelta(minutes=15)
_CLAIMS = ["exp", "iat", "jti", "sub"]
_KEY_BYTES = 32


@dataclass(frozen=True)
class KeyRing:
    """The keys of the server: the first one signs, and tokens of each are accepted, so that keys can be replaced."""

    keys: Sequence[str]

    def sign(self, name: str, lifetime: timedelta = LIFETIME) -> str:
        """A token that says who somebody is, for so long."""
        key, now = self.keys[0], datetime.now(UTC)
        claims = {"sub": name, "iat": now, "exp": now + lifetime, "jti": secrets.token_urlsafe(16)}
        return jwt.encode(claims, key, ALGORITHM, headers={"kid": _id_of(key)})

    def verify(self, token: str) -> str:
        """Who a token says that somebody is.

        Raises:
            NotAuthenticatedError: it is no token of ours, or has expired.
        """
        try:
            wanted = jwt.get_unverified_header(token).get("kid")
            key = next((key for key in self.keys if _id_of(key) == wanted), None)
            if key is None:
                raise NotAuthenticatedError("The token was not signed here; ask for another one at /v1/token.")
            claims = jwt.decode(token, key, algorithms=[ALGORITHM], options={"require": _CLAIMS})
        except jwt.ExpiredSignatureError:
            raise NotAuthenticatedError("The token has expired; ask for another one at /v1/token.") from None
        except jwt.PyJWTError:
            raise NotAuthenticatedError("The token is not valid; ask for another one at /v1/token.") from None
        return str(claims["sub"])

    def derive(self, purpose: str) -> bytes:
        """A secret for something else than tokens, which follows from the key that signs."""
        return hashlib.blake2b(self.keys[0].encode(), digest_size=32, person=purpose.encode()).digest()


def _id_of(key: str) -> str:
    """What names a key in a token, and tells nothing of it."""
    return hashlib.blake2b(key.encode(), digest_size=8, person=b"kid").hexdigest()


def find_keys(settings: Settings) -> KeyRing:
    """The keys of `SECRET_KEY`; without it, one that is made once and kept in the home folder for its owner alone."""
    return KeyRing(settings.signing_keys or [_kept_key(settings.home / "secret_key")])


def _kept_key(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text()
    path.parent.mkdir(parents=True, exist_ok=True)
    file, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")  # with mode 0600
    try:
        with os.fdopen(file, "w") as writing:
            writing.write(secrets.token_urlsafe(_KEY_BYTES))
            writing.flush()
            os.fsync(writing.fileno())
        with suppress(FileExistsError):  # another process was quicker: its key counts
            os.link(draft, path)
    finally:
        Path(draft).unlink()
    return path.read_text()
