"""Where the files of a source come from: one kind of place per file of this package.

A declaration names one as `arrives`. What brings the files is a collector (see `collectors`), which a declaration
knows nothing of.
"""

from dataflow_assets.sources.origins.base import FileOrigin, Origin
from dataflow_assets.sources.origins.ftp import Ftp
from dataflow_assets.sources.origins.http import Cursor, HttpFile, LinkHeader, Offset, PageNumber, Paginator, RestApi
from dataflow_assets.sources.origins.kafka import Kafka
from dataflow_assets.sources.origins.query import Query
from dataflow_assets.sources.origins.s3 import S3
from dataflow_assets.sources.origins.sftp import Sftp

__all__ = [
    "S3",
    "Cursor",
    "FileOrigin",
    "Ftp",
    "HttpFile",
    "Kafka",
    "LinkHeader",
    "Offset",
    "Origin",
    "PageNumber",
    "Paginator",
    "Query",
    "RestApi",
    "Sftp",
]
