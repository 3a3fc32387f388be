"""The way over the database, on the host itself and beside a service that may be running."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sallyport.cli.accounts.desk import FailedError, RefusedError
from sallyport.cli.accounts.person import WrongUseError
from sallyport.cli.logs import log_as_json
from sallyport.edge.operator import OperatorDesk, Wish
from sallyport.edge.problems import Problem
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.settings import Settings, SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring.host import operator_desk


class OnHost:
    """Asks the routes in this process, as the operator. Opened by the first question."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._runner = asyncio.Runner()
        self._settings: Settings | None = None
        self._desk: OperatorDesk | None = None

    def ask(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:  # noqa: ANN401  # JSON of any shape
        """Return what is answered. Raises `RefusedError` or `FailedError`; `WrongUseError` where nothing is there."""
        desk = self._desk = self._desk or self._opened()
        wish = Wish(method=method, path=path, query=query, body=json.dumps(body).encode() if body else b"")
        try:
            answer = self._runner.run(desk.ask(wish))
        except StorageUnavailableError as fault:
            raise FailedError(str(fault)) from fault
        if isinstance(answer, Problem):
            raise RefusedError({name: value for name, value in _on_the_wire(answer).items() if value})
        return _on_the_wire(answer.body)

    def trusted_roles(self) -> tuple[str, ...]:
        """Return the roles that may act on other users."""
        return self._read().trusted_roles

    def close(self) -> None:
        """Give the database back."""
        if self._desk:
            self._desk.close()
        self._runner.close()

    def _read(self) -> Settings:
        """Read the settings, as `serve` does. Raises `WrongUseError`."""
        flags = {"database_url": self._database} if self._database else {}
        try:
            settings = self._settings = self._settings or load(flags, os.environ, Path.cwd())
        except SettingsRefusedError as no:
            raise WrongUseError(str(no)) from no
        return settings

    def _opened(self) -> OperatorDesk:
        """Open database and keys as `serve` would, and make nothing. Raises `WrongUseError` where they are missing."""
        os.umask(0o077)  # whatever is written is for the owner's eyes alone
        log_as_json("warning")
        try:
            return operator_desk(self._read())
        except (KeysRefusedError, StorageUnavailableError) as no:
            raise WrongUseError(str(no)) from no


def _on_the_wire(body: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return what a client of the HTTP API would read."""
    return msgspec.json.decode(msgspec.json.encode(body))
