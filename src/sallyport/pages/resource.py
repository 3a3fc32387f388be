"""One page as an ASGI application: proves that a form is ours, asks the gate, and leads on where it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.types import Receive, Scope

from sallyport.edge.answers import Answer, Headers
from sallyport.edge.client import Header, Networks, client_cookie, client_ip, client_token, user_agent
from sallyport.edge.endpoint import Fresh, Who
from sallyport.edge.gate import Gate, demand_fresh
from sallyport.edge.resource import Allowed, peer_of
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.ids import Randomness
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError
from sallyport.pages.cookies import Cookies, Shown
from sallyport.pages.forms import FOREIGN, TOKEN, FormTokens, Origins, read_form
from sallyport.pages.places import Places
from sallyport.pages.views import Views
from sallyport.pages.visit import CONFIRM, HOME, NEW_AUTHENTICATOR, SIGN_IN, Handler, Page, Visit, moved
from sallyport.pages.words import LANGUAGES, chosen

_VISITOR_BYTES: Final = 16
_ENDED: Final = frozenset({Why.INVALID_TOKEN, Why.UNAUTHENTICATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorman:
    """What every page asks before it opens."""

    gate: Gate
    cookies: Cookies
    tokens: FormTokens
    origins: Origins
    places: Places
    views: Views
    proxies: Networks
    https: bool
    randomness: Randomness


class PageResource:
    """A page."""

    def __init__(self, page: Page, doorman: Doorman) -> None:
        self.path = page.path
        self._page = page
        self._by = doorman
        self._handlers = {
            method: handler
            for method, handler in (("GET", page.get), ("HEAD", page.get), ("POST", page.post))
            if handler is not None
        }
        self._client_cookie = client_cookie(https=doorman.https)

    async def answer(
        self, scope: Scope, receive: Receive, params: Mapping[str, str], request_id: str
    ) -> Answer | Refused | Allowed:
        """Answer one request."""
        method, headers = scope["method"], scope["headers"]
        if method not in self._handlers:
            return Allowed(", ".join(self._handlers))
        shown, query = self._by.cookies.read(headers), _query(scope["query_string"])
        if method != "POST" and query.get("lang", "") in LANGUAGES:
            return self._in_language(scope["path"], query)
        form: Mapping[str, str] | Refused = {}
        if method == "POST":
            form = await read_form(scope, receive) if self._by.origins.own(headers) else FOREIGN
        if isinstance(form, Refused):
            return form
        client = self._client(scope, request_id)
        caller = await self._caller(shown, client)
        visit = self._visit(scope["path"], params, query, form, client, caller, shown, headers)
        if self._page.signed_in and caller is None:
            return self._signed_out(visit)
        if method == "POST" and not self._by.tokens.fits(visit.field(TOKEN), self._bound_to(caller, shown)):
            return FOREIGN
        return await self._opened(visit, self._handlers[method])

    def show(self, refused: Refused | Allowed, scope: Scope) -> Answer:
        """Render a refusal as a page."""
        shown = self._by.cookies.read(scope["headers"])
        language = chosen(shown.language, _header(scope["headers"], b"accept-language"))
        if isinstance(refused, Allowed):
            allow = (("allow", refused.methods),)
            return self._by.views.refusal(Refused(why=Why.METHOD_NOT_ALLOWED), language, allow)
        return self._by.views.refusal(refused, language)

    async def _opened(self, visit: Visit, handle: Handler) -> Answer | Refused:
        outcome = await self._refused(visit) or await self._handled(visit, handle)
        if isinstance(outcome, Answer):
            return outcome
        if outcome.why is Why.STEP_UP_REQUIRED:
            return moved(f"{CONFIRM}?next={quote(visit.here)}", visit.headers)
        if outcome.why is Why.MFA_ENROLLMENT_REQUIRED:
            return moved(NEW_AUTHENTICATOR, visit.headers)
        if outcome.why in _ENDED and visit.caller:
            return self._signed_out(visit)
        return outcome

    async def _refused(self, visit: Visit) -> Refused | None:
        """Ask the gate what the JSON routes ask it."""
        page, caller, target = self._page, visit.caller, self._target(visit)
        if page.who is not Who.ANYONE and (
            refused := await self._by.gate.reach(page.who, caller, target, unenrolled=page.while_unenrolled)
        ):
            return refused
        if page.of_other and caller and target == caller.uid:
            return Refused(why=Why.FORBIDDEN)
        return demand_fresh(Fresh.ALWAYS if page.fresh else Fresh.NO, caller, target)

    def _target(self, visit: Visit) -> str:
        """Return the user whom the page is about: the visitor, at the desk the one in the path, or nobody."""
        uid = visit.caller.uid if visit.caller else ""
        if not self._page.of_other:
            return uid if self._page.who is Who.OWNER else ""
        named = visit.params["id"]
        return uid if named == "me" else named

    async def _handled(self, visit: Visit, handle: Handler) -> Answer | Refused:
        try:
            return await handle(visit)
        except UnfitError as unfit:
            return Refused(why=Why.INVALID_REQUEST, pointer=unfit.pointer, detail=unfit.detail)

    async def _caller(self, shown: Shown, client: Client) -> Caller | None:
        if shown.session is None:
            return None
        caller = await self._by.gate.browser(shown.session, client)
        return None if isinstance(caller, Refused) else caller

    def _visit(  # the parts of a request, gathered once
        self,
        path: str,
        params: Mapping[str, str],
        query: Mapping[str, str],
        form: Mapping[str, str],
        client: Client,
        caller: Caller | None,
        shown: Shown,
        headers: list[Header],
    ) -> Visit:
        given: Headers = ()
        if not shown.visitor:
            shown = replace(shown, visitor=self._by.randomness(_VISITOR_BYTES).hex())
            given = self._by.cookies.visitor(shown.visitor)
        wanted = form.get("next") or query.get("next", "")
        said = "" if form else shown.said  # beside a form that was refused it would be misread
        return Visit(
            path=path,
            here=path if self._page.get else self._page.home.format_map(params),
            params=params,
            query=query,
            form=form,
            client=client,
            caller=caller,
            challenge=shown.challenge,
            language=chosen(shown.language, _header(headers, b"accept-language")),
            form_token=self._by.tokens.make(self._bound_to(caller, shown)),
            own_token=self._by.tokens.make(_of_session(caller)) if caller else "",
            headers=given,
            said=said,
            if_said=self._by.cookies.hush() if said else (),
            back=wanted if self._by.places.known(wanted) else HOME,
        )

    def _bound_to(self, caller: Caller | None, shown: Shown) -> str:
        """Return what forms of this page are bound to: the session, or the browser of one who may have none."""
        if caller and self._page.signed_in:
            return _of_session(caller)
        return f"visitor {shown.visitor}"

    def _signed_out(self, visit: Visit) -> Answer:
        onward = "" if visit.here == HOME else f"?next={quote(visit.here)}"
        return moved(SIGN_IN + onward, (*visit.headers, *self._by.cookies.forget()))

    def _in_language(self, path: str, query: Mapping[str, str]) -> Answer:
        onward = f"?next={quote(query['next'])}" if self._by.places.known(query.get("next", "")) else ""
        return moved(path + onward, self._by.cookies.language(query["lang"]))

    def _client(self, scope: Scope, request_id: str) -> Client:
        headers = scope["headers"]
        return Client(
            ip=client_ip(peer_of(scope), headers, self._by.proxies),
            user_agent=user_agent(headers),
            request_id=request_id,
            token=client_token(headers, self._client_cookie),
        )


def _of_session(caller: Caller) -> str:
    return f"session {caller.session}"


def _header(headers: list[Header], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")


def _query(raw: bytes) -> dict[str, str]:
    """Read a query string. Nothing in it is a secret, or does anything: what can't be read is left out."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
