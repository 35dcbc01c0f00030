"""The kinds of object store that tests of the warehouse use."""

from dataflow_assets_tests.landing.stores import s3_storage, s3_url

__all__ = ["s3_storage", "s3_url"]
