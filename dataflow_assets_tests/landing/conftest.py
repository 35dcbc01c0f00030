"""The object stores that tests of landing use."""

from dataflow_assets_tests.landing.stores import gate, local_storage, s3_storage, s3_url, storage

__all__ = ["gate", "local_storage", "s3_storage", "s3_url", "storage"]
