"""A small language model of one's text, measured beside a trigram of the same text."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from sylvian import config
from sylvian.decoding import read_sentences
from sylvian.errors import ConfigError, DataError
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from rich.table import Table

    from sylvian.models.smalllm import SmallLmConfig

FILE = "smalllm.json"
FORMAT = 1
FEWEST = 20  # distinct sentences
_RESAMPLES = 2000
_ORDER = 3


@dataclass(frozen=True, slots=True)
class Surprise:
    """How much a model's held-out words tell it.

    Attributes:
        name: The model.
        bits: Bits a word, a sentence's end counted as one.
        low: Lower end of the 95 % bootstrap interval over sentences.
        high: Upper end.
    """

    name: str
    bits: float
    low: float
    high: float

    @property
    def perplexity(self) -> float:
        """Words as good as equally probable."""
        return float(2**self.bits)


@dataclass(frozen=True, slots=True)
class SmallLmResult:
    """A language model on disk.

    Attributes:
        llm: The folder, for `--llm` and end-to-end recipes.
        n_sentences: Sentences it learned from, repeats counted.
        n_held_out: Distinct sentences kept to measure on.
        n_words: Their words and ends.
        n_new: Words of theirs that occur nowhere else in the text.
        n_tokens: Size of its vocabulary.
        n_parameters: Number of weights.
        steps: Updates.
        seconds: Tokenizer and training.
        rows: The model; behind what is heard of each sentence, if it learned to read that; and a
            trigram of the same text, which is told the held-out words.
    """

    llm: str
    n_sentences: int
    n_held_out: int
    n_words: int
    n_new: int
    n_tokens: int
    n_parameters: int
    steps: int
    seconds: float
    rows: tuple[Surprise, ...]

    def table(self) -> Table:
        """Draw the rows for the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        told = (
            f"{self.n_held_out} sentences kept apart, {self.n_words:,} words with their ends, of "
            f"which {self.n_new} are new; in\nbrackets: 95 % over sentences. "
            f"{self.n_parameters:,} parameters, {self.n_tokens:,} tokens, {self.steps:,} updates, "
            f"{self.seconds:.0f} s."
        )
        title = f"{self.llm}: learned from {self.n_sentences:,} sentences"
        table = Table(title=title, caption=told, box=SIMPLE_HEAD, pad_edge=False)
        table.title_justify = table.caption_justify = "left"
        table.add_column("", no_wrap=True)
        for name in ("bits a word (95 %)", "perplexity"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            interval = f"{row.bits:.2f} ({row.low:.2f}\N{EN DASH}{row.high:.2f})"
            table.add_row(row.name, interval, f"{row.perplexity:.0f}")
        return table


@dataclass(frozen=True)
class _Text:
    """Sentences to learn from and to measure on; no sentence is in both."""

    learned: list[str]
    held_out: list[str]


def train_small_lm(
    text: Sequence[Path], *, out: Path, overrides: Sequence[str] = (), progress: Progress = silent
) -> SmallLmResult:
    """Train a causal language model, from scratch or a base, and save it as transformers does.

    Sentences are normalised as the benchmarks normalise transcripts. The last of the distinct ones
    are kept apart and measured on once, after training; nothing is chosen on them.

    Args:
        text: Files, one sentence a line.
        out: Folder to write; replaced if an earlier training wrote it.
        overrides: Settings of `SmallLmConfig`, `key=value`.
        progress: Told how far it is.

    Raises:
        ConfigError: an unknown or unfit setting, transformers is missing, or `out` holds something
            else.
        DataError: a file cannot be read, or there are too few distinct sentences.
    """
    from sylvian.models.artefact import replaced_folder
    from sylvian.models.hub import quietly, require_transformers
    from sylvian.models.smalllm import SmallLmConfig
    from sylvian.train.smalllm import fit_small_lm, sentence_nats

    settings = config.override(SmallLmConfig(), overrides)
    _check_out(out)
    require_transformers(settings.base or str(out))
    parts = _split(text, settings)
    began = time.perf_counter()
    model, tokenizer = _pupil(parts.learned, settings)

    def told(step: int, total: int, nats: float) -> None:
        progress("llm", step, total, f"{nats:.2f} nats a token")

    steps = fit_small_lm(model, tokenizer, parts.learned, settings, told=told)
    seconds = time.perf_counter() - began
    heard = {None: out.name} | ({settings.seed: f"{out.name}, heard"} if settings.heard else {})
    result = _result(
        parts,
        {
            name: sentence_nats(model, tokenizer, parts.held_out, heard=seed)
            for seed, name in heard.items()
        },
        llm=str(out),
        n_tokens=len(tokenizer),
        n_parameters=sum(p.numel() for p in model.parameters()),
        steps=steps,
        seconds=seconds,
    )
    with replaced_folder(out) as fresh, quietly():
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        _describe(fresh / FILE, settings, result, text)
    return result


def _pupil(sentences: Sequence[str], settings: SmallLmConfig) -> tuple[Any, Any]:
    """Give the model that learns, and its tokenizer."""
    from sylvian.models.hub import load_causal
    from sylvian.models.smalllm import build_small_lm, learn_phonemes, train_tokenizer

    if settings.base is None:
        tokenizer = train_tokenizer(sentences, settings.vocabulary)
        return build_small_lm(settings, tokenizer), tokenizer
    model, tokenizer = load_causal(settings.base, dtype="float32", device="cpu")
    model.set_attn_implementation("eager")  # trains fastest on a CPU: sequences are short
    learn_phonemes(model, tokenizer)
    return model, tokenizer


def _check_out(out: Path) -> None:
    if out.exists() and not (out / FILE).is_file() and not (out.is_dir() and _is_empty(out)):
        raise ConfigError(
            f"{out}: holds something that 'sylvian llm' did not write (no {FILE}); give --out "
            "another folder"
        )


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def _split(paths: Sequence[Path], settings: SmallLmConfig) -> _Text:
    sentences = [sentence for path in paths for sentence in read_sentences(path)]
    distinct = list(dict.fromkeys(sentences))
    if len(distinct) < FEWEST:
        raise DataError(
            f"{', '.join(map(str, paths))}: {len(distinct)} different sentences, a language model "
            f"needs at least {FEWEST}; give more text"
        )
    held_out = distinct[-max(1, int(settings.held_out * len(distinct))) :]
    apart = set(held_out)
    return _Text([sentence for sentence in sentences if sentence not in apart], held_out)


def _result(
    parts: _Text, scored: dict[str, Float64[np.ndarray, " sentences"]], **measured: Any
) -> SmallLmResult:
    from sylvian.decode.ngram import build_ngram

    words = {word for sentence in parts.learned for word in sentence.split()}
    ours = {word for sentence in parts.held_out for word in sentence.split()}
    trigram = build_ngram(parts.learned, order=_ORDER, vocabulary=sorted(words | ours))
    counted = np.array([len(sentence.split()) + 1 for sentence in parts.held_out])
    theirs = np.array(trigram.score_sentences(parts.held_out))
    return SmallLmResult(
        n_sentences=len(parts.learned),
        n_held_out=len(parts.held_out),
        n_words=int(counted.sum()),
        n_new=len(ours - words),
        rows=tuple(
            _surprise(name, nats, counted) for name, nats in {**scored, "3-gram": theirs}.items()
        ),
        **measured,
    )


def _surprise(
    name: str, nats: Float64[np.ndarray, " sentences"], words: Int64[np.ndarray, " sentences"]
) -> Surprise:
    """Resample sentences with a seed of its own, so that equal scores have equal intervals."""
    drawn = np.random.default_rng(0).integers(len(words), size=(_RESAMPLES, len(words)))
    bits = -nats[drawn].sum(1) / words[drawn].sum(1) / math.log(2)
    low, high = np.quantile(bits, (0.025, 0.975))
    own = -nats.sum() / words.sum() / math.log(2)
    return Surprise(name, float(own), float(low), float(high))


def _describe(
    path: Path, settings: SmallLmConfig, result: SmallLmResult, text: Sequence[Path]
) -> None:
    whole = {
        "format": FORMAT,
        "config": config.dump(settings),
        "text": [str(one) for one in text],
        "result": asdict(result),
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")
