"""Builds every concrete thing, once: the service, its routes, and what commands on the host work with."""

from sallyport.wiring.host import faults_of_keys, key_desk, key_faults, restore
from sallyport.wiring.service import Machine, Service, build

__all__ = ["Machine", "Service", "build", "faults_of_keys", "key_desk", "key_faults", "restore"]
