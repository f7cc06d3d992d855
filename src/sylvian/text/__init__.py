"""Words and phonemes: normalisation, the published vocabulary, pronunciations."""

from sylvian.text.g2p import letter_to_sound
from sylvian.text.lexicon import Lexicon
from sylvian.text.normalize import is_cue, normalize_sentence
from sylvian.text.vocabulary import BLANK, PHONES, SIL, Vocabulary, phoneme_vocabulary
from sylvian.text.wording import counted

__all__ = [
    "BLANK",
    "PHONES",
    "SIL",
    "Lexicon",
    "Vocabulary",
    "counted",
    "is_cue",
    "letter_to_sound",
    "normalize_sentence",
    "phoneme_vocabulary",
]
