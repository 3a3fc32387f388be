"""One path as an ASGI application: picks the endpoint, and walks a request through the order of refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from sallyport.edge.answers import Answer, Ask, Credential
from sallyport.edge.body import MAX_BYTES, Body
from sallyport.edge.client import Networks, client_cookie, client_ip, client_token, is_local, user_agent
from sallyport.edge.endpoint import Endpoint, Nothing, Who
from sallyport.edge.gate import Gate, demand_fresh
from sallyport.edge.reason import reason_in
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError

_NOTHING: Final = Nothing()
_JSON: Final = b"application/json"
FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The methods of a path, for a 405."""

    methods: str


class Resource:
    """All endpoints of one path. Refuses in the order of api.md section 1."""

    def __init__(self, endpoints: list[Endpoint[Any]], gate: Gate, proxies: Networks, *, https: bool) -> None:
        self.path = endpoints[0].path
        self._of_user = endpoints[0].of_user
        self._endpoints = {endpoint.method: (endpoint, Body(endpoint.body)) for endpoint in endpoints}
        if "GET" in self._endpoints and self._endpoints["GET"][0].is_a_look:
            self._endpoints["HEAD"] = self._endpoints["GET"]
        self.allowed = Allowed(", ".join(self._endpoints))
        self._gate = gate
        self._proxies = proxies
        self._cookie = client_cookie(https=https)

    async def answer(
        self, scope: Scope, receive: Receive, params: Mapping[str, str], request_id: str
    ) -> Answer | Refused | Allowed:
        """Answer one request."""
        if scope["method"] not in self._endpoints:
            return self.allowed
        endpoint, body = self._endpoints[scope["method"]]
        credential = _credential(scope["headers"])
        if isinstance(credential, Refused):
            return credential
        client = self._client(scope, request_id)
        caller = await self._caller(endpoint.who, credential, client, scope)
        if isinstance(caller, Refused):
            return caller
        target, role = self._named(params, caller)
        if refused := await self._reach(endpoint, caller, target, role):
            return refused
        read = await _read(body, scope, receive, forms=endpoint.forms)
        if isinstance(read, Refused):
            return read
        try:
            command = endpoint.parse(read) if endpoint.parse else read
            if refused := self._unfit(endpoint, caller, target, reason_in(read)):
                return refused
            ask = Ask(
                caller=caller,
                credential=credential,
                target=target,
                params=params,
                query=_query(scope["query_string"]),
                path=scope["path"],
                client=client,
                body=command,
            )
            return await endpoint.handle(ask)
        except UnfitError as unfit:
            return Refused(why=Why.INVALID_REQUEST, pointer=unfit.pointer, detail=unfit.detail)

    def show(self, refused: Refused | Allowed, scope: Scope) -> Answer | Refused | Allowed:  # noqa: ARG002  # as for a page
        """Return a refusal as it is: a problem document will be made of it."""
        return refused

    def _unfit(self, endpoint: Endpoint[Any], caller: Caller | None, target: str, reason: str | None) -> Refused | None:
        if endpoint.reasoned and (refused := self._gate.demand_reason(caller, target, reason)):
            return refused
        return demand_fresh(endpoint.fresh, caller, target)

    async def _caller(
        self, who: Who, credential: Credential | None, client: Client, scope: Scope
    ) -> Caller | Refused | None:
        if who is Who.LOCAL:
            return None if is_local(peer_of(scope), scope["headers"]) else Refused(why=Why.NOT_FOUND)
        if who is Who.ANYONE or (who is Who.VISITOR and credential is None):
            return None
        return await self._gate.caller(credential, client)

    async def _reach(self, endpoint: Endpoint[Any], caller: Caller | None, target: str, role: str) -> Refused | None:
        unenrolled, opens = endpoint.while_unenrolled, endpoint.scope
        return await self._gate.reach(endpoint.who, caller, target, unenrolled=unenrolled, scope=opens, role=role)

    def _named(self, params: Mapping[str, str], caller: Caller | None) -> tuple[str, str]:
        """Return the user that the path names, `me` resolved, and the role; one of them at most."""
        named = params.get("id", "")
        if not self._of_user:
            return "", named
        return (caller.uid if caller and named == "me" else named), ""

    def _client(self, scope: Scope, request_id: str) -> Client:
        peer, headers = peer_of(scope), scope["headers"]
        ip = client_ip(peer, headers, self._proxies) if self._proxies else peer
        token = client_token(headers, self._cookie)
        return Client(ip=ip, user_agent=user_agent(headers), request_id=request_id, token=token)


def peer_of(scope: Scope) -> str:
    """Return the address of the machine at the other end; empty where it has none, as on a Unix socket."""
    peer = str(scope["client"][0]) if scope.get("client") else ""
    # RFC 4291 2.5.5.2: so a socket that takes both families writes the IPv4 address of a client, or of a proxy of ours.
    return peer.removeprefix("::ffff:") if "." in peer else peer


def _credential(headers: list[tuple[bytes, bytes]]) -> Credential | Refused | None:
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) > 1:
        return Refused(why=Why.INVALID_REQUEST, detail="Send one Authorization header, not several.")
    if not given:
        return None
    scheme, _, value = given[0].decode("latin-1").partition(" ")
    return Credential(scheme.lower(), value.strip())


def _query(raw: bytes) -> dict[str, str]:
    """Read a query string; where a name stands twice the request is refused by what reads it."""
    if not raw:
        return {}
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    if len(query) < len(pairs):
        raise UnfitError("/", "Give each query parameter once.")
    return query


async def _read(body: Body[Any], scope: Scope, receive: Receive, *, forms: bool) -> Any:  # noqa: ANN401  # the declared body or Refused
    if scope["method"] in {"GET", "HEAD"}:
        return _NOTHING
    raw = await collect(scope, receive)
    kind = _media_type(scope["headers"])
    is_form = forms and kind == FORM
    if raw != b"" and kind != _JSON and not is_form:
        return Refused(why=Why.UNSUPPORTED_MEDIA_TYPE)
    if raw is None:
        return Refused(why=Why.PAYLOAD_TOO_LARGE)
    return body.read_form(raw) if is_form else body.read(raw or b"{}")


async def collect(scope: Scope, receive: Receive) -> bytes | None:
    """Return the bytes of the body, or None as soon as they are too many."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > MAX_BYTES:
            return None
    message = await receive()
    raw: bytes = message.get("body", b"")
    while message.get("more_body") and len(raw) <= MAX_BYTES:
        message = await receive()
        raw += message.get("body", b"")
    whole = message["type"] == "http.request" and len(raw) <= MAX_BYTES
    return raw if whole else None


def _media_type(headers: list[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"content-type":
            return value.split(b";")[0].strip().lower()
    return b""
