"""Phonemes for releases that publish sentences only."""

from __future__ import annotations

from sylvian.text import Lexicon, is_cue, normalize_sentence


def spoken_phonemes(sentence: str | None, lexicon: Lexicon) -> tuple[str, ...] | None:
    """Pronounce a sentence, `SIL` closing each word; None for none, for cues and for silence."""
    if sentence is None or is_cue(sentence) or not normalize_sentence(sentence):
        return None
    return lexicon.phonemes(sentence)
