"""The journey of the reference documents, byte for byte, with a real authenticator."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

from sallyport.kernel.clock import SECOND
from tests.world import PASSWORD, World, bearer

# As the documents print them: a trailing comma, and a code that JSON would call a malformed number.
CREATE = b'{\n    "type": "mfa",\n}'
ENROLL = b'{\n    "token": %s,\n}'


async def test_the_documented_requests_work_byte_for_byte(world: World, tool: Callable[[str], str]) -> None:
    oathtool = tool("oathtool")

    def code(secret: str) -> str:
        now = datetime.fromtimestamp(world.clock.now() // SECOND, UTC)
        command = [oathtool, "--totp", "-b", secret, "--now", f"{now:%Y-%m-%d %H:%M:%S} UTC"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    alice = await world.register("alice", password=None)
    made = await alice.call("POST", f"/users/{alice.uid}/secrets", {"type": "password", "secret": PASSWORD})
    assert made.status_code == 200
    await alice.login()

    jwt = {"authorization": f"jwt {alice.token}"}
    # The documents show a code with a leading zero: begin anew until the phone shows one too.
    key, uid = "", ""
    while not key or not code(key).startswith("0"):
        created = await world.call("POST", f"/v1/users/{alice.uid}/secrets", CREATE, headers=jwt)
        assert created.status_code == 200
        assert created.json()["type"] == "mfa"
        key, uid = created.json()["secret"]["secret"], created.json()["uid"]
    path = f"/users/{alice.uid}/secrets/{uid}/enroll"
    enrolled = await world.call("PUT", path, ENROLL % code(key).encode(), headers=jwt)
    assert enrolled.status_code == 200, enrolled.text
    codes = enrolled.json()["codes"]
    assert len(set(codes)) == 10

    world.clock.advance(30)
    challenge = (await world.password("alice", PASSWORD)).json()
    assert challenge["type"] == "CHALLENGE"
    assert "refresh" not in challenge
    granted = await world.answer(challenge["token"], code(key))
    assert granted.status_code == 200
    assert granted.json()["mfa"] == {"enabled": True, "backupCodesRemaining": 10}

    for expected in (200, 401):
        challenge = (await world.password("alice", PASSWORD)).json()
        answer = await world.answer(challenge["token"], codes[0])
        assert answer.status_code == expected
    me = await world.call("GET", "/users/me", headers=bearer(granted.json()["token"]))
    assert me.json()["mfaEnabled"] is True
