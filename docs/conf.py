"""How the docs site is built: `uv run --group docs sphinx-build -W docs docs/_build`.

Here: Sphinx's settings. Not here: the pages that are made from the code (see `pages_from_code`).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pages_from_code import write_pages
from pygments.lexers.special import TextLexer  # type: ignore[import-untyped]
from sphinx.highlighting import lexers

project = "DataFlow Assets"
author = "DataFlow Assets contributors"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.typer",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
nitpicky = False
lexers["powerquery"] = TextLexer()  # Pygments does not know it

write_pages(Path(__file__).parent / "reference" / "generated")
