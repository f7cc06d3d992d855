"""The simulated participants of docs/figures.md: two people who attempt and imagine speech."""

import sys
from pathlib import Path

from sylvian.data.synthetic import (
    ImaginedConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)


def person(name: str, layout: str) -> ParticipantConfig:
    """Somebody who attempts on the first and third day and imagines on the others."""
    return ParticipantConfig(
        name=name,
        layout=layout,
        sessions=4,
        train_trials=60,
        eval_trials=48,
        hidden_trials=2,
        max_words=6,
        fifty_share=1.0,
        train_only_sessions=(),
        block_trials=20,
        speech=SpeechConfig(words_per_minute=90.0),
        neural=NeuralConfig(snr=1.6),
        imagined=ImaginedConfig(sessions=(1, 3), depth=0.7, turnover=0.3),
    )


if __name__ == "__main__":
    people = (person("S15", "card2024"), person("S12", "willett2023"))
    simulate(SyntheticConfig(participants=people), Path(sys.argv[1]))
