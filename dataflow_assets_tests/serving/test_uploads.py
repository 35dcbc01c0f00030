"""Bodies that are files."""

import hashlib
from pathlib import Path

from dataflow_assets.serving.uploads import Upload


def test_a_body_is_hashed_once_whoever_asks(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"some")
    upload = Upload("body", file, 4)
    first = upload.digest()
    assert first == hashlib.sha256(b"some").hexdigest()
    file.unlink()
    assert upload.digest() == first


def test_each_way_of_hashing_has_a_digest_of_its_own() -> None:
    upload = Upload("body", bytearray(b"some"), 4)
    assert upload.digest("sha512") == hashlib.sha512(b"some").hexdigest()
    assert upload.digest() == hashlib.sha256(b"some").hexdigest()
