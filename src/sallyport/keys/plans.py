"""The rings of this service: what each is for, and what its rotation has to heed."""

from typing import Final

from sallyport.kernel.clock import MINUTE
from sallyport.kernel.ids import Randomness
from sallyport.kernel.keyfiles import SETTLE, RingPlan
from sallyport.sessions.mint import ACCESS_LIFETIME
from sallyport.sessions.signing import draw_key, signs_with

_KEY_BYTES: Final = 32
_JWKS_KEPT: Final = 5 * MINUTE
"""How long clients may keep the JWKS: the `max-age` that it is sent with."""


def ring_plans(algorithm: str, randomness: Randomness) -> list[RingPlan]:
    """Return the plan of every ring. `algorithm` is the one that the settings name for tokens."""
    return [
        RingPlan(name="sealing", draw=lambda: randomness(_KEY_BYTES)),
        RingPlan(name="pepper", draw=lambda: randomness(_KEY_BYTES)),
        # No release before 0002 had it: a database without a single audit row has no need of it yet.
        RingPlan(name="audit", draw=lambda: randomness(_KEY_BYTES), needed=False),
        RingPlan(
            name="signing",
            draw=lambda: draw_key(algorithm),
            keys=2,
            accept=lambda ring: signs_with(ring, algorithm),
            settle=_JWKS_KEPT + SETTLE,
            rest=ACCESS_LIFETIME + SETTLE,
        ),
    ]
