"""The object stores that tests of the lake use."""

from dataflow_assets_tests.landing.stores import local_storage, s3_storage, s3_url, storage

__all__ = ["local_storage", "s3_storage", "s3_url", "storage"]
