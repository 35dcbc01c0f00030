"""The page for people: the answers as charts, what was delivered and rejected, and how fresh each table is.

Here: its three files, which everybody may have; they hold no data. The page asks the other routes, with the login of
whoever looks at it. Not here: those routes.
"""

from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

_FILES = files("dataflow_assets.serving") / "web"
# Nothing comes from elsewhere, and no text can become a script.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@router.get("/")
async def read_page() -> Response:
    """The page."""
    return _file("page.html", "text/html; charset=utf-8", {"Content-Security-Policy": _POLICY})


@router.get("/page.css")
async def read_style() -> Response:
    """How it looks."""
    return _file("page.css", "text/css; charset=utf-8", {})


@router.get("/page.js")
async def read_script() -> Response:
    """What it does."""
    return _file("page.js", "text/javascript; charset=utf-8", {})


def _file(name: str, media_type: str, headers: dict[str, str]) -> Response:
    return Response((_FILES / name).read_bytes(), media_type=media_type, headers=headers)
