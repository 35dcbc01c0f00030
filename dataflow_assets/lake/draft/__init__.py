"""Drafting the declaration of a source from one of its files.

Here: looking into a file (`sample`, and `csv_sample`, `json_sample` and `fixed_width_sample` for these formats), how it
writes its values (`values`), what its columns are (`columns`), what tells changes (`changes`), what it is a file of
(`declaration`) and the text that says so (`declaration_text`). Not here: writing files and migrations (see the command
`new source`).
"""
