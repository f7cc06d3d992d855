"""Files between the verbs: logits as safetensors, n-best lists as one JSON line per trial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sylvian.decode.files import whole
from sylvian.errors import DataError, DecodeError
from sylvian.text import Vocabulary
from sylvian.types import Hypothesis, Logits, NBest, Scores, TrialKey

FORMAT = "1"


def write_nbest(path: Path, nbests: Iterable[NBest]) -> None:
    """Write n-best lists, one trial a line, the parts of each score apart.

    Numbers are written so that reading gives the same bits back; the file appears whole or not at
    all.
    """
    with whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(_plain(nbest), ensure_ascii=False)}\n" for nbest in nbests)


def read_nbest(path: Path) -> tuple[NBest, ...]:
    """Read what `write_nbest` wrote.

    Raises:
        DecodeError: the file cannot be read or a line is not an n-best list; the message starts
            with file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as failure:
        raise DecodeError(f"{path}: cannot be read ({failure}); run 'sylvian decode'") from None
    return tuple(_parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line)


def write_logits(path: Path, logits: Sequence[Logits]) -> None:
    """Write the logits of trials as float32, named by trial key, in the given order.

    The file's metadata holds the order of the keys, the frame period and the vocabulary, so that
    it can be decoded without the run it came from.

    Raises:
        DecodeError: a trial comes twice, or trials differ in vocabulary or frame period.
    """
    keys = [str(one.key) for one in logits]
    kinds = {(one.vocabulary.tokens, one.frame_s) for one in logits}
    if len(set(keys)) != len(keys) or len(kinds) > 1:
        raise DecodeError(f"{path}: trials must be distinct and share vocabulary and frame period")
    tokens, frame_s = kinds.pop() if kinds else ((), 0.0)
    metadata = {
        "format": FORMAT,
        "keys": json.dumps(keys),
        "frame_s": repr(frame_s),
        "vocabulary": json.dumps(tokens),
    }
    arrays = (np.ascontiguousarray(one.values, dtype=np.float32) for one in logits)
    with whole(path) as temporary:
        save_file(dict(zip(keys, arrays, strict=True)), temporary, metadata=metadata)


def read_logits(path: Path) -> Iterator[Logits]:
    """Yield the trials of a logits file in the order they were written, one in memory at a time.

    Raises:
        DecodeError: the file is missing, damaged or of another format.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                found = metadata.get("format", "no format number")
                raise DecodeError(f"{path}: logits of format {found!r}, this program reads 1")
            vocabulary = Vocabulary(tuple(json.loads(metadata["vocabulary"])))
            frame_s = float(metadata["frame_s"])
            for key in json.loads(metadata["keys"]):
                yield Logits(TrialKey.parse(key), file.get_tensor(key), frame_s, vocabulary)
    except (OSError, SafetensorError, KeyError, ValueError) as failure:
        raise DecodeError(
            f"{path}: cannot be read as logits ({failure}); run 'sylvian decode' again"
        ) from None


def _plain(nbest: NBest) -> dict[str, Any]:
    return {"key": str(nbest.key), "hypotheses": [_candidate(h) for h in nbest.hypotheses]}


def _candidate(hypothesis: Hypothesis) -> dict[str, Any]:
    scores = hypothesis.scores
    return {
        "text": hypothesis.text,
        "acoustic": scores.acoustic,
        "ngram": scores.ngram,
        "llm": scores.llm,
        "end_to_end": scores.end_to_end,
        "n_words": scores.n_words,
        "tokens": " ".join(hypothesis.tokens),
        "frames": hypothesis.frames,
    }


def _parse(line: str, where: str) -> NBest:
    try:
        data = json.loads(line)
        hypotheses = tuple(_hypothesis(**candidate) for candidate in data["hypotheses"])
        return NBest(TrialKey.parse(data["key"]), hypotheses)
    except (ValueError, KeyError, TypeError, AttributeError, DataError) as failure:
        raise DecodeError(
            f"{where}: not an n-best list ({failure}); run 'sylvian decode' again"
        ) from None


def _hypothesis(
    *,
    text: str,
    acoustic: float,
    ngram: float,
    llm: float | None,
    n_words: int,
    tokens: str,
    frames: list[int],
    end_to_end: float | None = None,  # absent in older files
) -> Hypothesis:
    scores = Scores(acoustic, ngram, n_words, llm, end_to_end)
    return Hypothesis(text, tuple(tokens.split()), scores, tuple(frames))
