"""The movie catalogue, as the catalogue service exports it every day."""

import dataframely as dy

from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Csv


class Movies(dy.Schema):
    """One movie."""

    title = dy.String(min_length=1, description="the movie's name, unique in the catalogue")
    duration_mins = dy.Int64(min=1, description="running time in minutes")
    original_language = dy.String(nullable=True, description="language in which the movie was made")
    size_mb = dy.Float64(min=0, description="size of the file in megabytes (1 MB = 1,000,000 bytes)")


SOURCE = Snapshot(
    name="movies",
    singular="movie",
    description="The movies that can be streamed.",
    owner="team:catalogue",
    schema=Movies,
    reader=Csv(),
    key=("title",),
)
