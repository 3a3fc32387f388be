"""The use cases of the login story, built once."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.login.flow.answer import AnswerChallenge
    from sallyport.login.flow.begin import BeginLogin
    from sallyport.login.flow.codes import CodeJudge
    from sallyport.login.flow.elevate import Elevate
    from sallyport.login.flow.register import Register
    from sallyport.wiring.service import Service


class LoginFlows:
    """Register, begin, answer, elevate."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def register(self) -> "Register":
        """Makes an account."""
        from sallyport.login.flow.register import Register

        service = self._service
        return Register(
            work=service.work,
            hashing=service.hashing,
            policy=service.passwords,
            keeper=service.keeper,
            journal=service.journal,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def begin(self) -> "BeginLogin":
        """Judges a password."""
        from sallyport.login.flow.begin import BeginLogin

        service = self._service
        return BeginLogin(
            work=service.work,
            hashing=service.hashing,
            keeper=service.keeper,
            judge=self.judge if service.settings.backup_code_login else None,
            possession=service.flows.programs.possession,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
            randomness=service.randomness,
        )

    @cached_property
    def answer(self) -> "AnswerChallenge":
        """Judges a code against a challenge."""
        from sallyport.login.flow.answer import AnswerChallenge

        service = self._service
        return AnswerChallenge(
            work=service.work,
            judge=self.judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
        )

    @cached_property
    def elevate(self) -> "Elevate":
        """Renews a proof."""
        from sallyport.login.flow.elevate import Elevate

        service = self._service
        return Elevate(
            work=service.work,
            hashing=service.hashing,
            judge=self.judge,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clock=service.clock,
        )

    @cached_property
    def judge(self) -> "CodeJudge":
        """Judges codes of any second factor."""
        from sallyport.login.flow.codes import CodeJudge

        service = self._service
        return CodeJudge(vault=service.vault, pool=service.pool, clients=service.clients, clock=service.clock)
