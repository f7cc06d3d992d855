"""What a mix leaves out, and why: collected as it is found, told in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class LeftOut:
    """Reasons by corpus and participant, in the order they were found."""

    def __init__(self) -> None:
        self._reasons: dict[str, dict[str, list[str]]] = {}

    def add(self, corpus: str, participant: str, reason: str) -> None:
        """Note why something of a participant is left out."""
        people = self._reasons.setdefault(reason, {})
        people.setdefault(corpus, []).append(participant)

    def sentences(self, everyone: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Tell the reasons, once for a corpus where it is the same for all of its participants.

        Args:
            everyone: Corpus and participant of all that the mix was made from.
        """
        sizes: dict[str, set[str]] = {}
        for corpus, participant in everyone:
            sizes.setdefault(corpus, set()).add(participant)
        lines = []
        for reason, corpora in self._reasons.items():
            for corpus, people in corpora.items():
                whole = sizes.get(corpus) == {*people}
                names = [corpus] if whole else [f"{corpus}/{one}" for one in people]
                lines += [f"{name}: {reason}" for name in names]
        return tuple(sorted(lines))


def some(names: Sequence[str], *, most: int = 3) -> str:
    """List names, the middle ones of many as dots."""
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "...", names[-1]])
