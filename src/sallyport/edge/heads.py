"""A bound on what a client sends that is no body: uvicorn keeps it all until a request is whole."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST: Final = 2**16
"""Bytes beyond the piece that a request begins in. Bodies are bounded by the routes."""


class BoundedHead(HttpToolsProtocol):
    """Ends a connection whose client goes on and on with a head, or with what stands around the chunks of a body."""

    _since = 0
    """Bytes since the last thing that the application was told of."""

    def data_received(self, data: bytes) -> None:
        """Take what has come, and no more than is to be kept."""
        self._since += len(data)
        super().data_received(data)
        if self._since <= LONGEST or self.transport.is_closing():
            return
        if self.cycle and not self.cycle.response_complete:  # type: ignore[truthy-bool]  # None before the first one
            self.transport.close()  # in the middle of its answer
        else:
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._since = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._since = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body is there."""
        self._since = 0
        super().on_body(body)
