import obstore
import pytest

from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings


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
    clean_environment.setenv("S3_BUCKET", "bucket")
    clean_environment.setenv("AWS_ENDPOINT_URL", url)
    assert ("aws_allow_http" in open_storage(load_settings()).options) is plain


def test_without_credentials_the_standard_chain_decides(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("S3_BUCKET", "bucket")
    assert open_storage(load_settings()).options == {"aws_region": "us-east-1"}
