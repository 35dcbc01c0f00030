"""Where the objects are kept: a bucket on S3, or a local folder, behind one value.

Here: turning the settings, or an address with options, into an object store and into the options that Delta readers
want. Not here: what the objects mean.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import LocalStore, S3Store
from pydantic import SecretStr

from dataflow_assets.core.files import make_private
from dataflow_assets.errors import SettingsError
from dataflow_assets.settings import Settings

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider


# Seconds after which a request without an answer is given up, and after which no failed one is sent again.
REQUEST_SECONDS, RETRY_SECONDS = 30, 60
_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Storage:
    """One root that holds `landing/` and `lake/`; `uri` names it (a path or `s3://bucket`)."""

    uri: str
    store: LocalStore | S3Store = field(repr=False)
    settled: dict[str, str] = field(repr=False)
    chain: "Boto3CredentialProvider | None" = field(default=None, repr=False)

    @property
    def delta_options(self) -> dict[str, str]:
        """The storage options of Delta Lake for it, with the credentials of now."""
        return {**self.options, "timeout": f"{REQUEST_SECONDS}s", "retry_timeout": f"{RETRY_SECONDS}s"}

    @property
    def options(self) -> dict[str, str]:
        """How it is reached, with the credentials of now."""
        if self.chain is None:
            return self.settled
        found = self.chain()
        token = {"aws_session_token": found["token"]} if found["token"] else {}
        keys = {"aws_access_key_id": found["access_key_id"], "aws_secret_access_key": found["secret_access_key"]}
        return {**self.settled, **keys, **token}


def open_storage(settings: Settings) -> Storage:
    """The bucket `S3_BUCKET`, or the folder `DATAFLOW_HOME` where that is unset.

    Raises:
        SettingsError: there are no credentials for the bucket.
    """
    if settings.s3_bucket is None:
        return open_folder(settings.home)
    return open_bucket(
        settings.s3_bucket,
        endpoint_url=settings.aws_endpoint_url,
        region=settings.region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=_text(settings.aws_secret_access_key),
        session_token=_text(settings.aws_session_token),
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def open_folder(folder: Path) -> Storage:
    """A local folder, which is made where it is missing."""
    make_private(folder)
    return Storage(str(folder), LocalStore(folder), {})


def open_bucket(
    bucket: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
) -> Storage:
    """A bucket on S3; without a key the standard AWS chain gives the credentials, and without a region that too.

    Raises:
        SettingsError: there are no credentials for the bucket.
    """
    given = {
        "aws_region": region,
        "aws_endpoint_url": endpoint_url,
        "aws_access_key_id": access_key_id,
        "aws_secret_access_key": secret_access_key,
        "aws_session_token": session_token,
    }
    return _open_bucket(bucket, "", {name: value for name, value in given.items() if value})


def open_root(root: str, options: Mapping[str, str]) -> Storage:
    """A folder, which is made, or `s3://bucket/prefix`.

    Args:
        root: the folder's path, or the address on S3.
        options: of S3, under the names of Delta Lake's storage options (`aws_region`, `aws_endpoint_url`, …). What is
            not said comes from the standard AWS chain.

    Raises:
        SettingsError: there are no credentials for the bucket, or the address is of another kind of store.
    """
    scheme, is_address, place = root.rpartition("://")
    if not is_address:
        folder = Path(root).expanduser().resolve()
        return open_folder(folder)
    bucket, _, prefix = place.strip("/").partition("/")
    if scheme not in ("s3", "s3a") or not bucket:
        raise SettingsError(f"{root} is no place for tables: name a folder, or s3://bucket/prefix.")
    given = _endpoint_of_environment() | {name.lower(): value for name, value in options.items()}
    return _open_bucket(bucket, prefix, given)


def _open_bucket(bucket: str, prefix: str, options: dict[str, str]) -> Storage:
    chain = None
    if "aws_access_key_id" not in options:
        chain = _standard_chain()
        options = {"aws_region": chain.config.get("region") or _DEFAULT_REGION, **options}
    options = {"aws_region": _DEFAULT_REGION, **options}
    if options.get("aws_endpoint_url", "").startswith("http://"):
        options = {"aws_allow_http": "true", **options}
    store = S3Store(
        bucket,
        prefix=prefix or None,
        config=options,  # type: ignore[arg-type]
        client_options={"timeout": timedelta(seconds=REQUEST_SECONDS)},
        retry_config={"retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        credential_provider=chain,
    )
    return Storage(f"s3://{bucket}/{prefix}".rstrip("/"), store, options, chain)


def _endpoint_of_environment() -> dict[str, str]:
    """The endpoint and the region that AWS's own tools take from the environment."""
    names = {
        "aws_endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    }
    found = {option: next(filter(None, map(os.environ.get, variables)), None) for option, variables in names.items()}
    return {option: value for option, value in found.items() if value}


def _standard_chain() -> "Boto3CredentialProvider":
    """Credentials from a profile, a role or the machine, renewed in time.

    The store, Delta Lake and Polars each know a part of the chain of their own; so they are given what this one finds.
    """
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 # slow, and seldom needed
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    try:
        return Boto3CredentialProvider()
    except (ValueError, BotoCoreError) as error:
        raise SettingsError(
            "No AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give "
            f"the machine a role ({error})."
        ) from None
