"""What is prepared, held against what the release is known to hold."""

from __future__ import annotations

from collections.abc import Iterator

from sylvian.data.corpora.base import ParticipantFacts
from sylvian.data.index import Index, SessionEntry


def differences(index: Index) -> tuple[str, ...]:
    """List where the prepared sessions differ from the facts, one sentence each.

    Only what somebody published is compared: a session whose count of a split is unknown may hold
    any number, as long as the split's total over all sessions is right.
    """
    return tuple(
        line
        for name, facts in index.facts.participants.items()
        for line in _of_participant(index, name, facts)
    )


def _of_participant(index: Index, name: str, facts: ParticipantFacts) -> Iterator[str]:
    corpus = index.facts.name
    entries = {e.session: e for e in index.sessions if e.participant == name}
    advice = f"re-run 'sylvian prepare {corpus}'"
    missing = [session for session in facts.sessions if session not in entries]
    lines = []
    if missing:
        shown = ", ".join(missing if len(missing) <= 3 else [*missing[:2], "...", missing[-1]])
        lines.append(
            f"{corpus}/{name}: {len(missing)} of {len(facts.sessions)} sessions are missing "
            f"({shown}); {advice}"
        )
    for session, entry in entries.items():
        lines += _of_session(f"{corpus}/{name}/{session}", entry, facts, advice)
    yield from lines
    if lines:  # the totals would only say the same again
        return
    for split, expected in facts.trials.items():
        n = sum(entry.trials.get(split, 0) for entry in entries.values())
        if n != expected:
            yield f"{corpus}/{name}: {n} {split} trials on disk, facts say {expected}; {advice}"


def _of_session(path: str, entry: SessionEntry, facts: ParticipantFacts, advice: str) -> list[str]:
    if facts.sessions and entry.session not in facts.sessions:
        return [f"{path}: on disk, but the facts do not know this session; is it of this release?"]
    lines = []
    if facts.n_channels not in (None, entry.n_channels):
        lines.append(f"{path}: {entry.n_channels} channels on disk, facts say {facts.n_channels}")
    for split, expected in facts.sessions.get(entry.session, {}).items():
        n = entry.trials.get(split, 0)
        if n != expected:
            lines.append(f"{path}: {n} {split} trials on disk, facts say {expected}; {advice}")
    return lines
