"""Numbers as messages say them."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Say how many there are: `1 trial`, `2 trials`, `1,450 sentences`.

    Args:
        n: How many.
        noun: What, in the singular; its plural ends in s.
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
