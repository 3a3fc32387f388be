"""What a team sets of the pages in one folder: name, logo, colors, words. No code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How the pages are called and colored."""

    name: str
    logo: str
    """The name of the asset that is shown beside the name."""
