"""The documentation page: the OpenAPI document as HTML, with nothing loaded from anywhere."""

from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
article { border-top: 1px solid light-dark(#ccc, #555); padding: .5rem 0 1rem }
h2 { font-size: 1.1rem; margin: .5rem 0 }
h2 b { display: inline-block; min-width: 4.5rem; color: light-dark(#0a5, #5d9) }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; vertical-align: top }
"""
CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def html(document: dict[str, Any]) -> str:
    """Return the page."""
    routes = "\n".join(
        _route(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])}. "
        f"Every route answers at <code>/</code> and at <code>/v1</code> alike. "
        f"The same as a document for machines: <a href=openapi.json>openapi.json</a>.</p>\n{routes}\n</html>"
    )


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{_code(answer['description'])}"
        for status, answer in operation["responses"].items()
    )
    takes = "".join(
        f"<p><code>{escape(parameter['name'])}</code>: {_code(parameter['description'])}</p>"
        for parameter in operation["parameters"]
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    sends = f"<p>Body: <code>{escape(body['$ref'].rpartition('/')[2])}</code></p>" if "$ref" in body else ""
    return (
        f"<article><h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}. {_code(operation['description'])}</p>"
        f"{takes}{sends}<table>{rows}</table></article>"
    )


def _code(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
