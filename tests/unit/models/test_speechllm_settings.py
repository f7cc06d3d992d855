import pytest

from sylvian.errors import ConfigError
from sylvian.recipes import build_recipe

PHONEMES = "end_to_end.speech.projector.kind=phonemes"
AUDIO = "end_to_end.speech.modality=audio"


def test_phonemes_are_no_sounds() -> None:
    """A projector that speaks in tokens of text has nothing to say to one that takes sounds."""
    with pytest.raises(ConfigError, match="modality=audio takes sounds; use projector.kind=mlp"):
        build_recipe("end_to_end", ["corpus=synthetic", PHONEMES, AUDIO])
    for alone in (PHONEMES, AUDIO):
        build_recipe("end_to_end", ["corpus=synthetic", alone])
