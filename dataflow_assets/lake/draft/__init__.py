"""Drafting the declaration of a source from one of its files.

Here: what a file looks like (`sample`), what its columns are (`columns`), and the text of a declaration
(`declaration`). Not here: writing files and migrations (see the command `new source`).
"""
