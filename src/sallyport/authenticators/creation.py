"""Answers `POST /users/{id}/secrets`: what is made, by kind, and the one time that its value is shown."""

from msgspec import UNSET, UnsetType

from sallyport.authenticators.api_keys.flow import CreateApiKey
from sallyport.authenticators.api_keys.rules import Wish
from sallyport.authenticators.backup_codes.flow import RegenerateCodes
from sallyport.authenticators.devices.flow import CreateDevice
from sallyport.authenticators.password.flow import SetPassword
from sallyport.authenticators.totp.flow import BeginEnrollment, DrawQr
from sallyport.authenticators.wire import Creation, MfaValue, NewSecret, first_changed, may_repeat, told
from sallyport.edge.answers import Answer, Ask
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.text import UnfitError


class Create:
    """Makes a secret of any kind."""

    def __init__(
        self,
        *,
        set_password: SetPassword,
        begin_enrollment: BeginEnrollment,
        draw_qr: DrawQr,
        regenerate: RegenerateCodes,
        create_api_key: CreateApiKey,
        create_device: CreateDevice,
    ) -> None:
        self._set_password = set_password
        self._begin_enrollment = begin_enrollment
        self._draw_qr = draw_qr
        self._regenerate = regenerate
        self._create_api_key = create_api_key
        self._create_device = create_device

    async def __call__(self, ask: Ask[Creation]) -> Answer | Refused:
        """Answer `POST /users/{id}/secrets`."""
        body = ask.body.body
        known = {**may_repeat(body), "user_id": ask.target}
        if field := first_changed(body, known) or ("secret" if _names_server_value(body) else None):
            return Refused(why=Why.FIELD_FORBIDDEN, pointer=f"/{field}")
        if ask.me.must_enroll and (ask.body.api_key or ask.body.device):
            # It would go on when the second factor is there, and was made without one.
            return Refused(why=Why.MFA_ENROLLMENT_REQUIRED)
        if ask.body.password:
            return await self._password(ask, ask.body.password)
        if ask.body.api_key:
            return await self._api_key(ask, ask.body.api_key)
        if ask.body.device:
            known_now = await self._create_device(ask.me, ask.body.device)
            return known_now if isinstance(known_now, Refused) else Answer(told(known_now))
        if body.type == "mfa":
            return await self._mfa(ask)
        made = await self._regenerate(ask.me)
        return made if isinstance(made, Refused) else Answer(told(made[0], codes=made[1].reveal()))

    async def _password(self, ask: Ask[Creation], password: Hidden[str]) -> Answer | Refused:
        made = await self._set_password(ask.me, password, ask.body.description)
        return made if isinstance(made, Refused) else Answer(told(made))

    async def _api_key(self, ask: Ask[Creation], wish: Wish) -> Answer | Refused:
        made = await self._create_api_key(ask.me, wish)
        return made if isinstance(made, Refused) else Answer(told(made[0], secret=made[1].reveal()))

    async def _mfa(self, ask: Ask[Creation]) -> Answer | Refused:
        if ask.query.get("qr", "svg") != "svg":
            raise UnfitError("/qr", "The QR code is drawn as 'svg'.")
        begun = await self._begin_enrollment(ask.me, ask.body.description)
        if isinstance(begun, Refused):
            return begun
        drawing = await self._draw_qr(begun.url) if "qr" in ask.query else UNSET
        value = MfaValue(otpauth_url=begun.url.reveal(), secret=begun.key.reveal(), qr_svg=drawing)
        return Answer(told(begun.told, secret=value))


def _names_server_value(body: NewSecret) -> bool:
    return body.type not in {"password", "device"} and not isinstance(body.secret, UnsetType)
