from pathlib import Path

import obstore
import pytest

from dataflow_assets.errors import SettingsError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.landing.stores import FIRST_DAY, Gate, land, put_any


def test_without_a_bucket_the_home_holds_the_objects(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    storage = open_storage(settings)
    obstore.put(storage.store, "landing/a", b"x")
    assert storage.uri == str(settings.home)
    assert (settings.home / "landing/a").read_bytes() == b"x"
    assert storage.options == {}


def test_a_bucket_holds_the_objects(s3_storage: Storage) -> None:
    obstore.put(s3_storage.store, "landing/a", b"x")
    again = open_storage(load_settings())
    assert again.uri.startswith("s3://bucket-")
    assert bytes(obstore.get(again.store, "landing/a").bytes()) == b"x"


def test_secrets_are_not_printed(clean_environment: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        clean_environment.setenv(name, "hunter2")
    clean_environment.setenv("S3_BUCKET", "bucket")
    storage = open_storage(load_settings())
    assert storage.options["aws_session_token"] == "hunter2"
    assert "hunter2" not in repr(storage)


@pytest.mark.parametrize(("url", "plain"), [("http://127.0.0.1:9000", True), ("https://127.0.0.1:9000", False)])
def test_plain_http_is_used_only_where_it_is_asked_for(
    clean_environment: pytest.MonkeyPatch, url: str, plain: bool
) -> None:
    for name in ("S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        clean_environment.setenv(name, "bucket")
    clean_environment.setenv("AWS_ENDPOINT_URL", url)
    assert ("aws_allow_http" in open_storage(load_settings()).options) is plain


@pytest.fixture
def no_credentials(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of a machine that holds no credentials anywhere."""
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        clean_environment.setenv(name, str(tmp_path / name))
    clean_environment.delenv("AWS_PROFILE", raising=False)
    clean_environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    clean_environment.setenv("S3_BUCKET", "bucket")
    return clean_environment


def test_without_credentials_it_is_said_what_to_set(no_credentials: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"No AWS credentials were found: set AWS_ACCESS_KEY_ID .* or AWS_PROFILE"):
        open_storage(load_settings())


def test_the_profile_says_the_region(no_credentials: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "AWS_CONFIG_FILE").write_text(
        "[profile vendor]\naws_access_key_id = key\naws_secret_access_key = hunter2\nregion = eu-west-3\n"
    )
    no_credentials.setenv("AWS_PROFILE", "vendor")
    found = {"aws_access_key_id": "key", "aws_secret_access_key": "hunter2"}
    assert open_storage(load_settings()).options == {**found, "aws_region": "eu-west-3"}
    no_credentials.setenv("AWS_REGION", "eu-west-1")
    assert open_storage(load_settings()).options == {**found, "aws_region": "eu-west-1"}
    assert "hunter2" not in repr(open_storage(load_settings()))
    no_credentials.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="nobody"):
        open_storage(load_settings())


def test_credentials_of_a_profile_sign_every_request(
    s3_storage: Storage, gate: Gate, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of landing and lake, and of the readers of Delta Lake and Polars."""
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = hunter2\n")
    clean_environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        clean_environment.delenv(name, raising=False)
    storage = open_storage(load_settings())
    source = find_source("users")
    delivery = land(storage, source, "tab\\.csv", "email,first_name,last_name\na@x,A,Aa\n")
    put_any(s3_storage, "landing/users/2021-12-01/tab\t.csv")
    unsigned = len(gate.requests)
    assert list(Landing(storage).deliveries()) == [delivery]
    assert ingest(storage, source, delivery.object, "UTC", first_day=FIRST_DAY)
    assert rows_table(storage, source).scan().collect().height == 1
    signed = [signature for _, _, signature in gate.requests[unsigned:]]
    assert len(signed) > 10
    assert all(signature.startswith("AWS4-HMAC-SHA256 Credential=PROFILE/") for signature in signed)
