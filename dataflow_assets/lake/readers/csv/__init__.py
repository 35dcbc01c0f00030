"""Files of delimited text.

Here: the name of the format and how its files are checked and read, for the registry. Not here: how that is done (see
`reader`).
"""

from dataflow_assets.lake.readers.csv.reader import check, read
from dataflow_assets.sources.formats import Csv

__all__ = ["FORMAT", "check", "read"]

FORMAT = Csv
