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
from sallyport.settings import SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring.host import operator_desk


class OnHost:
    """Asks the routes in this process, as the operator. Opened by the first question."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._runner = asyncio.Runner()
        self._desk: OperatorDesk | None = None

    def ask(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:  # noqa: ANN401  # JSON of any shape
        """Return what is answered. Raises `RefusedError` or `FailedError`; `WrongUseError` where nothing is there."""
        desk = self._desk = self._desk or _opened(self._database)
        wish = Wish(method=method, path=path, query=query, body=json.dumps(body).encode() if body else b"")
        try:
            answer = self._runner.run(desk.ask(wish))
        except StorageUnavailableError as fault:
            raise FailedError(str(fault)) from fault
        if isinstance(answer, Problem):
            raise RefusedError({name: value for name, value in _on_the_wire(answer).items() if value})
        return _on_the_wire(answer.body)

    def close(self) -> None:
        """Give the database back."""
        if self._desk:
            self._desk.close()
        self._runner.close()


def _opened(database: str) -> OperatorDesk:
    """Open database and keys as `serve` would, and make nothing. Raises `WrongUseError` where they are not there."""
    os.umask(0o077)  # whatever is written is for the owner's eyes alone
    log_as_json("warning")
    try:
        return operator_desk(load({"database_url": database} if database else {}, os.environ, Path.cwd()))
    except (SettingsRefusedError, KeysRefusedError, StorageUnavailableError) as no:
        raise WrongUseError(str(no)) from no


def _on_the_wire(body: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return what a client of the HTTP API would read."""
    return msgspec.json.decode(msgspec.json.encode(body))
