"""Reading over HTTP: which rows a request asks for, and how they leave as JSON, NDJSON, CSV, Arrow or Parquet.

A request is read in this order: `relations` says what can be read, `parameters` what is asked of it, `statements` says
that in SQL, `rows` runs it, `formats` makes bytes of the rows, `streaming` sends them, and `respond` puts all that
together with `versions` and `cache`. `document` says the same in OpenAPI.

Not here: routes (see `serving.routes`), and who may read what (see `serving.access`).
"""
