"""Builds every concrete thing, once: the service with its routes, and in `host` what commands on the host work with."""

from sallyport.wiring.parts import Machine
from sallyport.wiring.service import Service, build

__all__ = ["Machine", "Service", "build"]
