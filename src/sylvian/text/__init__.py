"""Words and phonemes: normalisation, the published vocabulary, pronunciations."""

from sylvian.text.vocabulary import BLANK, PHONES, SIL, Vocabulary, phoneme_vocabulary

__all__ = ["BLANK", "PHONES", "SIL", "Vocabulary", "phoneme_vocabulary"]
