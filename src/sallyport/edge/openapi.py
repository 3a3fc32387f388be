"""The OpenAPI document (3.1): a walk over the declared endpoints."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sallyport.edge.endpoint import Endpoint, Fresh, Nothing, Who
from sallyport.edge.problems import FACES, Problem
from sallyport.kernel.outcomes import Why
from sallyport.kernel.scopes import Scope, opens

_BEARER: Final = ({"bearer": list[str]()},)
_SECURITY: Final = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, or an API key. The scheme `jwt` is read too.",
    },
    "challenge": {"type": "http", "scheme": "bearer", "description": "The challenge of `/auth/password`."},
}
_AGAIN: Final = {
    "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}}
}
_WITH: Final = {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "pattern": "^Bearer "}}}
_CARRIED: Final = {401: {"headers": _WITH}, 429: {"headers": _AGAIN}, 503: {"headers": _AGAIN}}
_OPEN: Final = frozenset({Who.ANYONE, Who.LOCAL})
_ALWAYS: Final = frozenset({Why.INTERNAL, Why.STORAGE_UNAVAILABLE, Why.INVALID_REQUEST})


def document(endpoints: Iterable[Endpoint[Any]], version: str, server: str) -> dict[str, Any]:
    """Return the document."""
    routes = list(endpoints)
    types = [Problem] + [kind for route in routes for kind in _types(route)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(_key, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sallyport",
            "version": version,
            "summary": "Accounts and multi-factor authentication",
            "description": "Every route answers at `/` and at `/v1` alike.",
        },
        "servers": [{"url": server}, {"url": f"{server}/v1"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


def refusals(route: Endpoint[Any]) -> frozenset[Why]:
    """Return every refusal of a route: its flow's own, and those of gate and body."""
    found = set(_ALWAYS.union(route.refusals))
    if route.who not in _OPEN:
        found |= {Why.INVALID_TOKEN, Why.MFA_ENROLLMENT_REQUIRED}
    if route.who not in {*_OPEN, Who.VISITOR}:
        found |= {Why.UNAUTHENTICATED}
    if "{id}" in route.path or route.who is Who.LOCAL:
        found |= {Why.NOT_FOUND}
    if route.who not in _OPEN:
        found |= {Why.FORBIDDEN}
    if route.fresh is not Fresh.NO:
        found |= {Why.STEP_UP_REQUIRED}
    if route.method != "GET":
        found |= {Why.MALFORMED_JSON, Why.UNKNOWN_FIELD, Why.PAYLOAD_TOO_LARGE, Why.UNSUPPORTED_MEDIA_TYPE}
    return frozenset(found)


def _operation(route: Endpoint[Any], schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": _described(route),
        "operationId": f"{route.method.lower()}{_camel(route.path)}",
        "parameters": [*_path_parameters(route.path), *_query_parameters(route), *_header_parameters(route)],
        "responses": {
            **{str(status): _granted(kind, schema_of, route.media_type) for status, kind in route.answers.items()},
            **_refused(route, schema_of),
        },
        "security": _security(route),
    }
    if route.takes_body:
        kinds = ["application/json", *(["application/x-www-form-urlencoded"] if route.forms else [])]
        content = {kind: {"schema": schema_of[_key(route.body)]} for kind in kinds}
        operation["requestBody"] = {"required": _needs_body(route.body), "content": content}
    return operation


def _described(route: Endpoint[Any]) -> str:
    who = f"Who may call: {route.who.value}. Fresh proof: {route.fresh.value}."
    if route.who in _OPEN:
        return who
    return f"{who} API keys: {_scopes(route)}."


def _scopes(route: Endpoint[Any]) -> str:
    if route.scope is None:
        return "never"
    about_oneself = route.of_user and "{id}" in route.path
    less = [scope for scope in Scope if scope is not route.scope and opens(frozenset({scope}), route.scope, own=True)]
    return f"with the scope `{route.scope}`" + "".join(f", or `{one}` about oneself" for one in less if about_oneself)


def _security(route: Endpoint[Any]) -> list[dict[str, Any]]:
    if route.who in _OPEN:
        return [*({scheme: list[str]()} for scheme in route.schemes), {}]
    return [*_BEARER, {}] if route.who is Who.VISITOR else list(_BEARER)


def _granted(kind: Any, schema_of: dict[str, Any], media_type: str) -> dict[str, Any]:  # noqa: ANN401  # a wire type
    if kind is None:
        return {"description": "Done."}
    schemas = [schema_of[_key(one)] for one in _alternatives(kind)]
    schema = {"oneOf": schemas} if len(schemas) > 1 else schemas[0]
    return {"description": "Granted.", "content": {media_type: {"schema": schema}}}


def _refused(route: Endpoint[Any], schema_of: dict[str, Any]) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for why in refusals(route):
        codes.setdefault(FACES[why].status, []).append(FACES[why].code)
    content = {"application/problem+json": {"schema": schema_of[_key(Problem)]}}
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in sorted(set(named))),
            "content": content,
            **_CARRIED.get(status, {}),
        }
        for status, named in sorted(codes.items())
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    whose = "The uid of a role." if path.startswith("/roles/") else "The uid of a user, or `me`."
    meaning = {"id": whose, "sid": "The uid of the secret or session."}
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in meaning.items()
        if f"{{{name}}}" in path
    ]


def _header_parameters(route: Endpoint[Any]) -> list[dict[str, Any]]:
    if Why.THROTTLED not in route.refusals:
        return []
    told = "`client` of an earlier login, for the tries of a known client; a browser sends it as a cookie"
    name = "X-Sallyport-Client"
    return [{"name": name, "in": "header", "required": False, "description": told, "schema": {"type": "string"}}]


def _query_parameters(route: Endpoint[Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]


def _types(route: Endpoint[Any]) -> list[Any]:
    body = [] if route.body is Nothing else [route.body]
    return body + [one for kind in route.answers.values() if kind is not None for one in _alternatives(kind)]


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401  # a wire type, or several
    return kind if isinstance(kind, tuple) else (kind,)


def _needs_body(body: Any) -> bool:  # noqa: ANN401  # a wire type
    return any(field.required for field in msgspec.structs.fields(body))


def _key(kind: Any) -> str:  # noqa: ANN401  # a wire type: some, like unions, are equal but not hashable alike
    return repr(kind)


def _camel(path: str) -> str:
    words = path.replace("{", " ").replace("}", " ").replace("/", " ").replace(".", " ").replace("-", " ").split()
    return "".join(word.title() for word in words)
