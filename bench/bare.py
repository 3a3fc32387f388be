"""W: an ASGI function that does nothing, under the very options of `serve`."""

import gc
import os
import sys
from pathlib import Path
from typing import Any

from sallyport.cli.serve import bound, listen
from sallyport.settings import load

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
}
_BODY = {"type": "http.response.body", "body": b'{"status":"ok"}'}


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request alike."""
    if scope["type"] == "http":
        await send(_START)
        await send(_BODY)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    sys.exit(listen(bare, bound(load({"port": sys.argv[-1]}, os.environ, Path.cwd()))))
