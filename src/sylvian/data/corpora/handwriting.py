"""What the handwriting releases of participant T5 share: arrays, alphabet, trials that are read."""

from __future__ import annotations

from sylvian.data.corpora.base import ChannelGroup, ParticipantFacts
from sylvian.types import Strategy

# 31 characters were written; these five have no key of their own, and `#` marks a prompt's end.
_READABLE = str.maketrans({">": " ", "~": ".", "#": None})
_NAMED = {
    "greaterThan": " ",
    "comma": ",",
    "apostrophe": "'",
    "tilde": ".",
    "questionMark": "?",
    "doNothing": "[DO NOTHING]",
}

_ARRAYS = ("hand knob, first array", "hand knob, second array")
T5 = ParticipantFacts(
    n_channels=192,
    channels=tuple(
        ChannelGroup(
            array=array, feature="threshold crossings", start=96 * place, stop=96 * (place + 1)
        )
        for place, array in enumerate(_ARRAYS)
    ),
    strategies=(Strategy.HANDWRITING,),
)


def readable(prompt: str) -> str:
    """Write a prompt with spaces and full stops, for which T5 wrote `>` and `~`.

    Source: handwritingBCI, `characterDefinitions.py` and step 3.
    """
    return prompt.translate(_READABLE).strip()


def character(cue: str) -> str:
    """Name the character of a single-letter cue; `[DO NOTHING]` for a rest.

    Source: handwritingBCI, `characterDefinitions.py`.
    """
    return _NAMED.get(cue, cue)
