"""Makes pages out of templates."""

from base64 import urlsafe_b64encode
from functools import partial
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sallyport.audit.decision import LOGINS
from sallyport.edge import problems
from sallyport.edge.answers import Answer, Headers
from sallyport.kernel.clock import Clock, rfc3339
from sallyport.kernel.ids import Randomness
from sallyport.kernel.outcomes import Refused
from sallyport.pages import telling
from sallyport.pages.assets import Assets
from sallyport.pages.brand import Brand
from sallyport.pages.forms import TOKEN
from sallyport.pages.visit import Visit
from sallyport.pages.words import LANGUAGES, Words

HTML: Final = "text/html; charset=utf-8"
_NONCE_BYTES: Final = 16
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS: Final = (
    # A form of a page without a referrer would be sent with `Origin: null`; no path of ours has a secret in it.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Views:
    """Renders pages."""

    def __init__(
        self, *, assets: Assets, brand: Brand, registration_open: bool, clock: Clock, randomness: Randomness
    ) -> None:
        self._templates = Environment(
            loader=PackageLoader("sallyport.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"asset": assets.path, "brand": brand, "languages": LANGUAGES}
        self._registration_open = registration_open
        self._clock = clock
        self._randomness = randomness

    def page(
        self,
        visit: Visit,
        template: str,
        *,
        refused: Refused | None = None,
        headers: Headers = (),
        **told: Any,  # noqa: ANN401  # what a template shows
    ) -> Answer:
        """Render a page; beside a form that was refused stands why."""
        status = problems.FACES[refused.why].status if refused else 200
        why = problems.headers(refused) if refused else []
        return self._rendered(
            template,
            visit.language,
            status,
            (*visit.headers, *visit.if_said, *headers, *((name.decode(), value.decode()) for name, value in why)),
            visit,
            {
                "caller": visit.caller,
                "path": visit.path,
                "here": visit.here,
                "back": visit.back,
                "said": telling.DONE.get(visit.said, ""),
                "refused": refused,
                "visit": visit,
            }
            | told,
        )

    def refusal(self, refused: Refused, language: str, headers: Headers = ()) -> Answer:
        """Render a refusal that belongs to no form."""
        status = problems.FACES[refused.why].status
        why = tuple((name.decode(), value.decode()) for name, value in problems.headers(refused))
        told = {"caller": None, "path": "", "here": "/ui", "back": "", "said": "", "refused": refused}
        return self._rendered("refused.html", language, status, (*headers, *why), None, told)

    def _rendered(  # what every page has
        self, name: str, language: str, status: int, headers: Headers, visit: Visit | None, told: dict[str, Any]
    ) -> Answer:
        words, now = Words(language), self._clock.now()
        nonce = urlsafe_b64encode(self._randomness(_NONCE_BYTES)).decode().rstrip("=")
        body = self._templates.get_template(name).render(
            told
            | {
                "_": words,
                "many": words.many,
                "form_token": lambda: _token(visit.form_token if visit else ""),
                "own_token": lambda: _token(visit.own_token if visit else ""),
                "language": language,
                "nonce": nonce,
                "registration_open": self._registration_open,
                "say": partial(telling.refusal, words),
                "ago": lambda moment: telling.ago(words, moment, now),
                "exact": telling.exact,
                "stamp": rfc3339,
                "browser": partial(telling.browser, words),
                "place": partial(telling.place, words),
                "event": partial(telling.event, words),
                "login_events": LOGINS,
                "sentence": partial(telling.sentence, words),
                "outcomes": telling.OUTCOMES,
                "factors": telling.FACTORS,
                "scope_words": telling.SCOPES,
            }
        )
        policy = ("content-security-policy", _POLICY.format(nonce=nonce))
        return Answer(body, status=status, headers=(*headers, policy, *_ALWAYS), media_type=HTML)


def _token(value: str) -> Markup:
    """Return the field that proves that a form is ours."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN, value)
