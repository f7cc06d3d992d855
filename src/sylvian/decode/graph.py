"""The decoding graph: what can be said, how it sounds, and what each choice costs.

The graph is lexicon and grammar composed, determinised and minimised (`LG` of paper.md section
5.1), laid out directly from the sorted n-grams: one pronunciation trie per n-gram context, tails
shared. The CTC topology (`T`) is the same three moves at every state and is left to the search.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sylvian import config as configuration
from sylvian.config import Config
from sylvian.decode.arpa import BOS, EOS, ArpaModel
from sylvian.decode.arpafile import read_arpa
from sylvian.decode.layout import GraphArrays, lay_out
from sylvian.decode.trie import Prons
from sylvian.errors import DataError, DecodeError
from sylvian.text import SIL, Lexicon, Vocabulary, phoneme_vocabulary

FORMAT = 1
_MAX_TOKENS = 256  # a label is a byte


class GraphConfig(Config):
    """How lexicon and language model are joined."""

    silence_probability: float = Field(
        0.9, ge=0, le=1, description="Silence after a word; skipping it costs -log(1 - this)."
    )
    start_silence_probability: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Silence before the first word. The published graph has 0.9 although the "
        "labels never have it; it shifts every hypothesis alike unless the head emits it.",
    )
    missing_words: Literal["drop", "pronounce"] = Field(
        "drop",
        description="Words of the language model that the lexicon lacks: left out, or pronounced "
        "by Lexicon.extended.",
    )


@dataclass(frozen=True, slots=True)
class GraphReport:
    """What went into a graph and what could not.

    Attributes:
        n_words: Words one can decode.
        n_pronunciations: Their pronunciations, homophones all kept.
        n_ngrams: N-grams of the language model.
        n_missing: Words of the language model without a pronunciation, left out.
        missing: The first few of them.
        n_unreachable: Lexicon words the language model lacks; they cannot be decoded.
    """

    n_words: int
    n_pronunciations: int
    n_ngrams: int
    n_missing: int
    missing: tuple[str, ...]
    n_unreachable: int


@dataclass(frozen=True, slots=True)
class DecodingGraph:
    """A graph ready for search.

    Attributes:
        arrays: States and arcs.
        words: The words; arcs name them by 1 + position.
        vocabulary: Token columns the arc labels refer to.
        digest: Hash of everything the graph was made from.
        report: What went in.
    """

    arrays: GraphArrays
    words: tuple[str, ...]
    vocabulary: Vocabulary
    digest: str
    report: GraphReport

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.arrays.first) - 1

    @property
    def n_arcs(self) -> int:
        """Number of arcs that consume a token."""
        return len(self.arrays.arcs)

    @property
    def n_bytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in self.arrays)


def build_graph(
    lm: ArpaModel | Path,
    lexicon: Lexicon,
    *,
    config: GraphConfig | None = None,
    cache: Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> DecodingGraph:
    """Join a language model and a lexicon into a decoding graph, or fetch it from the cache.

    Args:
        lm: N-gram model, or an ARPA file, which is only read when the cache has no such graph.
        lexicon: Pronunciations.
        config: Silence and missing words.
        cache: Folder of finished graphs, by hash of model, lexicon, config and format; a graph
            that cannot be read there is built again.
        vocabulary: Token columns of the logits; the published 41 classes by default.

    Raises:
        DecodeError: no word of the model is in the lexicon, the model cannot end a sentence, the
            lexicon has a phone the vocabulary lacks, the ARPA file is malformed, or the cache
            cannot be written.

    Why here: composing and determinising with kaldifst gives a graph of the same size (2.3 million
    states for a million n-grams) in 42 s and 1.2 GB; laying it out takes 2.4 s and 0.5 GB. As in
    Kaldi's graphs backing off is allowed even where the n-gram exists, so a sentence's graph score
    can be a little above the model's own.
    """
    config = config or GraphConfig()
    vocabulary = vocabulary or phoneme_vocabulary()
    if len(vocabulary) > _MAX_TOKENS:
        raise DecodeError(f"{len(vocabulary)} tokens; a graph takes {_MAX_TOKENS} at most")
    digest = _digest(lm, lexicon, config, vocabulary)
    folder = cache / f"graph-{digest}" if cache else None
    found = _load(folder, digest) if folder else None
    if found is not None:
        return found
    model = read_arpa(lm) if isinstance(lm, Path) else lm
    graph = _build(model, lexicon, config, vocabulary, digest)
    if folder is not None:
        _save(graph, folder)
    return graph


def _digest(
    lm: ArpaModel | Path, lexicon: Lexicon, config: GraphConfig, vocabulary: Vocabulary
) -> str:
    if isinstance(lm, Path):
        try:
            with lm.open("rb") as file:
                source = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as failure:
            raise DecodeError(f"{lm}: cannot be read ({failure}); give an ARPA file") from None
    else:
        source = lm.digest
    parts = (FORMAT, source, lexicon.digest, configuration.digest(config), vocabulary.tokens)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _build(
    model: ArpaModel, lexicon: Lexicon, config: GraphConfig, vocabulary: Vocabulary, digest: str
) -> DecodingGraph:
    if EOS not in model.index or BOS not in model.index:
        raise DecodeError(f"the language model lacks '{BOS}' or '{EOS}'; build it from sentences")
    if config.missing_words == "pronounce":
        lexicon = lexicon.extended(model.words)
    spoken = [word for word in model.words if word in lexicon]
    if not spoken:
        raise DecodeError(
            f"none of the language model's {len(model.words)} words (such as "
            f"{model.words[:1]}) is among the lexicon's {len(lexicon)}; use matching files, lower "
            "case, or missing_words=pronounce"
        )
    try:
        prons = _pronunciations(model, lexicon, spoken, vocabulary)
        (label,) = vocabulary.encode([SIL])
    except DataError as failure:
        raise DecodeError(f"{failure}; the graph needs every phone of the lexicon") from None
    silence = (config.start_silence_probability, config.silence_probability)
    arrays = lay_out(model, prons, silence=silence, label=label)
    missing = sorted(set(model.words) - set(spoken))
    report = GraphReport(
        n_words=len(spoken),
        n_pronunciations=len(prons.word),
        n_ngrams=sum(model.n_ngrams),
        n_missing=len(missing),
        missing=tuple(missing[:20]),
        n_unreachable=len(lexicon) - len(spoken),
    )
    return DecodingGraph(arrays, tuple(spoken), vocabulary, digest, report)


def _pronunciations(
    model: ArpaModel, lexicon: Lexicon, words: list[str], vocabulary: Vocabulary
) -> Prons:
    """Sort all pronunciations alphabetically by label; homophones stay side by side."""
    rows = sorted(
        (vocabulary.encode(phones), number)
        for number, word in enumerate(words, 1)
        for phones in lexicon[word]
    )
    length = np.array([len(labels) for labels, _ in rows], dtype=np.int32)
    table = np.zeros((len(rows), int(length.max())), dtype=np.uint8)
    for row, (labels, _) in enumerate(rows):
        table[row, : len(labels)] = labels
    word = np.array([number for _, number in rows], dtype=np.int32)
    symbol = np.array([model.index[word] for word in words], dtype=np.int32)[word - 1]
    return Prons(table, length, symbol, word)


def _save(graph: DecodingGraph, folder: Path) -> None:
    """Write the graph to a temporary sibling and rename it: whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    facts = {
        "format": FORMAT,
        "digest": graph.digest,
        "tokens": graph.vocabulary.tokens,
        "report": asdict(graph.report),
        "words": graph.words,
    }
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        save_file(graph.arrays._asdict(), temporary / "graph.safetensors")
        text = json.dumps(facts, ensure_ascii=False)
        (temporary / "graph.json").write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except (OSError, SafetensorError) as failure:
        if _load(folder, graph.digest) is None:  # else another process was quicker
            raise DecodeError(
                f"{folder}: the graph cannot be kept ({failure}); free space there or choose "
                "another cache folder"
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _load(folder: Path, digest: str) -> DecodingGraph | None:
    try:
        facts: dict[str, Any] = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        arrays = GraphArrays(**load_file(folder / "graph.safetensors"))
        report = facts["report"] | {"missing": tuple(facts["report"]["missing"])}
        if facts["digest"] != digest:
            return None
        return DecodingGraph(
            arrays,
            tuple(facts["words"]),
            Vocabulary(tuple(facts["tokens"])),
            digest,
            GraphReport(**report),
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
