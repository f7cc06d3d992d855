"""Writing a split's sentences with their confidence, and withholding the doubtful ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sylvian.confiding.learnt import learnt_confidence, refuse_others
from sylvian.confiding.lists import Lists
from sylvian.decode.confidence import sentence_features, word_features
from sylvian.decode.files import whole
from sylvian.errors import ConfigError
from sylvian.runs import RunFolder


@dataclass(frozen=True, slots=True)
class AbstainResult:
    """Sentences with their confidence on disk, the doubtful ones withheld."""

    run: str
    split: str
    out: str
    n_trials: int
    n_shown: int
    threshold: float
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Say it in one line, and what to keep in mind."""
        said = (
            f"{self.out}: {self.n_shown} of {self.n_trials} sentences of {self.split} shown, the "
            f"others are below {self.threshold:.3f} and withheld"
        )
        return "\n".join([said, *self.notes])


def abstain(run: RunFolder, split: str, out: Path) -> AbstainResult:
    """Write a split's sentences with their confidence; those below the threshold are withheld.

    A line holds the trial's key, the confidence of its sentence, and, where it is shown, its text
    and the confidence of each word. Of a withheld sentence nothing but its confidence is written.

    Args:
        run: A run that `calibrate` was run on.
        split: A decoded split.
        out: JSON-lines file.

    Raises:
        ConfigError: the run was not calibrated, or no threshold was found.
        DataError: the split was not decoded; or its lists are of another kind than confidence was
            learnt from: decoder, encoder, language model, weights, settings or strategy.
    """
    learnt = learnt_confidence(run)
    lists = Lists.open(run, split)
    notes = refuse_others(learnt, lists)
    if learnt.threshold is None:
        raise ConfigError(
            f"{run.path}: no threshold keeps the word error rate at {100 * learnt.most_wrong:g}%, "
            "so nothing can be shown; run 'sylvian calibrate' with a larger --most-wrong"
        )
    beliefs = lists.beliefs(lists.job.infos, learnt.temperature)
    sure = learnt.sentences.confidences(sentence_features(beliefs))
    of_word = iter(learnt.words.confidences(word_features(beliefs)).tolist())
    n_shown = 0
    with whole(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for info, belief, one in zip(lists.job.infos, beliefs, sure.tolist(), strict=True):
            words = [[word, round(next(of_word), 4)] for word in belief.text.split()]
            line: dict[str, Any] = {"key": str(info.key), "confidence": round(one, 4)}
            if one >= learnt.threshold:
                line |= {"text": belief.text, "words": words}
                n_shown += 1
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    told = (len(beliefs), n_shown, learnt.threshold, notes)
    return AbstainResult(str(run.path), split, str(out), *told)
