"""How logits are searched and how the parts of a score are weighed: one config, and the presets."""

from __future__ import annotations

import math

from pydantic import Field

from sylvian.config import LATER, Config


class DecodeConfig(Config):
    """Settings of the first pass and of the total score; every log is natural (nats).

    Search minimises `-(acoustic_scale * acoustic + lm_weight * ngram + word_bonus * n_words)`
    inside a beam; `combine.total_score` is the same sum with a rescoring model's part added.
    The weights are the Brain-to-Text '25 README's.

    Why here: the published bounds are beam 17 and 7000 tokens (`PRESETS`). These take a quarter of
    the time and cost 0.05 nats on simulated trials with a 40,000-word 4-gram, with no word more
    wrong (benchmarks/first_pass.py).
    """

    acoustic_scale: float = Field(
        0.325, gt=0, description="Multiplies the frames' log-likelihoods (published name, as is)."
    )
    blank_penalty: float = Field(
        math.log(90.0),
        description="Subtracted from log p(blank), in nats; a published '90' means log 90 = 4.5.",
    )
    beam: float = Field(15.0, gt=0, description="Search keeps tokens this close to the best, nats.")
    lattice_beam: float = Field(
        8.0, ge=0, description="The n-best may be this much worse than the best path, in nats."
    )
    max_active: int = Field(2000, ge=1, description="Most tokens kept at a frame.")
    min_active: int = Field(200, ge=0, description="Tokens kept at a frame even outside the beam.")
    n_best: int = Field(100, ge=1, description="Most distinct word sequences returned per trial.")
    enlarge: int = Field(
        0,
        ge=0,
        description="Afterwards, swap differing words among this many best for more candidates; "
        "0: no (published: 20).",
    )
    lm_weight: float = Field(
        1.0, ge=0, description="Multiplies the decoding graph's log-probability (n-gram, silence)."
    )
    llm_weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Alpha: weight of a rescoring model; the n-gram keeps (1 - alpha). "
        "Without a rescoring score it plays no part.",
    )
    end_to_end_weight: float = Field(
        0.0,
        ge=0,
        description="Multiplies an end-to-end model's log-probability of the sentence given the "
        "recording. Without such a score it plays no part.",
    )
    word_bonus: float = Field(0.0, description="Added per word, in nats; positive favours words.")
    word_set: str | None = Field(
        None,
        description="Hold decoding to these words, lexicon, n-gram and graph alike: `50-word`, or "
        "a text file; null: every word there is.",
        json_schema_extra=LATER,
    )


WEIGHTS = (
    "acoustic_scale",
    "lm_weight",
    "word_bonus",
    "llm_weight",
    "end_to_end_weight",
    "blank_penalty",
)
"""The fields that `tune` chooses; the others say how the search goes."""


def _published(
    scale: float, blank: float, *, beam: float = 17.0, n_best: int = 100, llm_weight: float = 0.5
) -> DecodeConfig:
    return DecodeConfig(
        acoustic_scale=scale,
        blank_penalty=math.log(blank),
        beam=beam,
        max_active=7000,
        n_best=n_best,
        llm_weight=llm_weight,
    )


PRESETS: dict[str, DecodeConfig] = {
    "library": _published(1.5, 1.0, n_best=1, llm_weight=1.0),
    "t12-3gram": _published(0.8, 2.0, beam=18.0, n_best=1),
    "t12-5gram": _published(0.5, 7.0, beam=18.0),
    "t12-feghhi": _published(0.8, 2.0, beam=18.0),
    "t15-cli": _published(0.3, 9.0),
    "t15": _published(0.325, 90.0, llm_weight=0.55),
}
"""Published settings by name (paper.md section 5): the decoder library's defaults, speechBCI's
commands for T12 with the 3-gram and with the 5-gram + OPT, Feghhi et al. 2025, and the T15
baseline's command-line defaults and README commands."""
