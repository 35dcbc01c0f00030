"""The books, as the book vendor dumps them."""

import dataframely as dy

from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Json


class Books(dy.Schema):
    """One book."""

    title = dy.String(min_length=1, description="the book's title")
    pages = dy.Int64(min=1, nullable=True, description="number of pages")
    author = dy.String(nullable=True, description="name of the author; matches authors without regard to case")
    publisher = dy.String(nullable=True, description="name of the publisher")


SOURCE = Snapshot(
    name="books",
    singular="book",
    description="The books that movies may be based on.",
    owner="team:vendors",
    schema=Books,
    reader=Json(paths={"title": "$.name", "pages": "$.pages", "author": "$.author", "publisher": "$.publisher"}),
    key=("title",),
)
