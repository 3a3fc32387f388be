"""Sallyport: a self-hosted account and multi-factor authentication service.

A request enters by ``http``, becomes a command for a ``flow``, which reads the ``store``, asks the
``rules``, writes the ``store``, and returns an outcome that ``http`` renders.
"""

__version__ = "0.1.0"
