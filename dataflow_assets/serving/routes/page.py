"""The page for people: the answers as charts, what was delivered and rejected, and how fresh each table is; and the
page that describes the API.

Here: their files, which everybody may have; they hold no data. The pages ask the other routes, with the login of
whoever looks at them. Not here: those routes.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

_OURS = files("dataflow_assets.serving") / "web"
_SWAGGER = files("fastapi_offline") / "static"  # not from a server of others, whose script could read the login
# Nothing comes from elsewhere, and no text can become a script.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HTML, _CSS, _SCRIPT = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
_FILES: dict[str, tuple[Traversable, str]] = {
    "/": (_OURS / "page.html", _HTML),
    "/page.css": (_OURS / "page.css", _CSS),
    "/page.js": (_OURS / "page.js", _SCRIPT),
    "/docs": (_OURS / "docs.html", _HTML),
    "/docs.js": (_OURS / "docs.js", _SCRIPT),
    "/swagger-ui.css": (_SWAGGER / "swagger-ui.css", _CSS),
    "/swagger-ui.js": (_SWAGGER / "swagger-ui-bundle.js", _SCRIPT),
}


def _add(path: str, file: Traversable, media_type: str) -> None:
    headers = {"Content-Security-Policy": _POLICY} if media_type == _HTML else {}

    async def read_file() -> Response:
        return Response(file.read_bytes(), media_type=media_type, headers=headers)

    router.add_api_route(path, read_file, methods=["GET"])


for _path, (_file, _type) in _FILES.items():
    _add(_path, _file, _type)
