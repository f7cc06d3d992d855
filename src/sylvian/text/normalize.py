"""The benchmarks' sentence normaliser: what counts as a word when error rates are computed."""

import re

_DROPPED = re.compile(r"[^a-zA-Z\- ']")
_CUE = re.compile(r"\s*\[[^\[\]]+\]\s*")


def normalize_sentence(text: str) -> str:
    """Lower-case a sentence and keep only its letters, apostrophes, hyphens and single spaces.

    Every other character vanishes without leaving a space, digits and line ends included. A hyphen
    before a space and a doubled hyphen vanish too, and a word that starts with an apostrophe joins
    the word before it (`we 'd` becomes `we'd`). Applying it twice can change the result again, as
    it can in the published function (`a---b`): normalise once.

    Args:
        text: A prompt or a hypothesis as published or decoded.

    Returns:
        The words, one space apart; empty where nothing is left.

    Source: `remove_punctuation` of nejm-brain-to-text (`evaluate_model_helpers.py`); the
    Brain-to-Text '24 code shares the character class and the `--` rule.

    Why here: the published function deletes the typographic apostrophe (U+2019), the published
    phoneme labels and language-model text read it as the ASCII one. It matters in two of T15's
    9,498 labelled sentences (`what’s`); we read it as an apostrophe everywhere.
    """
    kept = _DROPPED.sub("", text.replace("\u2019", "'"))
    kept = kept.replace("- ", " ").replace("--", "").replace(" '", "'")
    return " ".join(kept.lower().split())


def is_cue(sentence: str) -> bool:
    """Tell whether a prompt is an instruction such as `[DO NOTHING]`, not a sentence to say.

    Source: T15's released labels write instructions, and nothing else, in square brackets.
    """
    return _CUE.fullmatch(sentence) is not None
