"""The vectors of the standards."""

import json
from pathlib import Path
from typing import Any

import pytest

from sallyport.authenticators.codes import TotpCode
from sallyport.authenticators.totp.rules import Seed, accepted_step, code_at, step_at
from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden

HERE = Path(__file__).parent
HOTP = json.loads((HERE / "rfc4226.json").read_text())
TOTP = json.loads((HERE / "rfc6238.json").read_text())


def key_of(vectors: dict[str, Any]) -> Hidden[bytes]:
    return Hidden(vectors["secret_ascii"].encode())


@pytest.mark.parametrize("vector", HOTP["vectors"], ids=lambda vector: vector["hotp"])
def test_rfc_4226_appendix_d(vector: dict[str, Any]) -> None:
    assert code_at(key_of(HOTP), vector["count"]).decode() == vector["hotp"]


@pytest.mark.parametrize("vector", TOTP["vectors"], ids=lambda vector: vector["totp"])
def test_rfc_6238_appendix_b(vector: dict[str, Any]) -> None:
    now, step = vector["time"] * SECOND, int(vector["step_hex"], 16)
    assert step_at(now) == step
    assert code_at(key_of(TOTP), step).decode() == vector["totp"][-6:]
    seed = Seed(uid="one", key=key_of(TOTP), last_step=0)
    assert accepted_step(seed, TotpCode(vector["totp"][-6:].encode()), now) == step
