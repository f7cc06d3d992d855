"""How a split is decoded: the decoder in use, the search, and what it left behind.

`decoder.json` in the run folder is what `tune` chose; `<split>/decode.json` is what a split was
really decoded with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian import config
from sylvian.decode.config import DecodeConfig
from sylvian.errors import DataError
from sylvian.evaluate import ScoreReport, TrialResult, score_trial, score_trials
from sylvian.jobs import Job
from sylvian.outcomes import DecodeResult, LmResult
from sylvian.text import is_cue, normalize_sentence
from sylvian.text.lexicon import Lexicon
from sylvian.types import Logits, NBest, Progress, TrialKey

if TYPE_CHECKING:
    from sylvian.decode.graph import DecodingGraph

NO_LM = "none"


# ------------------------------------------------------------------- decoder


@dataclass(frozen=True, slots=True)
class Rescorer:
    """A language model that rescored: what it was opened as, and what its scores depend on.

    Attributes:
        name: A folder, a name on the hub, or `smollm2`.
        digest: Of weights, tokens and reading.
        reading: How it read sentences, key by key.
    """

    name: str
    digest: str
    reading: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """A decoder in use: its weights and where its knowledge comes from.

    Attributes:
        decode: Weights and search limits.
        lm: ARPA file; None for greedy only.
        lexicon: Pronunciations; None for CMUdict and rules.
        llm: Who gave the second pass its scores; None: there was none.
    """

    decode: DecodeConfig
    lm: Path | None
    lexicon: Path | None
    llm: Rescorer | None = None

    def to_json(self) -> dict[str, Any]:
        """Give plain data; `from_json` reads it back."""
        return {
            "decode": config.dump(self.decode),
            "lm": str(self.lm) if self.lm else None,
            "lexicon": str(self.lexicon) if self.lexicon else None,
            "llm": asdict(self.llm) if self.llm else None,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Setting:
        """Read back what `to_json` gave."""
        lm, lexicon = (Path(p) if (p := data[name]) else None for name in ("lm", "lexicon"))
        llm = Rescorer(**told) if (told := data.get("llm")) else None
        return cls(config.load(DecodeConfig, data["decode"]), lm, lexicon, llm)


def resolve(job: Job, *, lm: str | None, lexicon: Path | None, overrides: Sequence[str]) -> Setting:
    """Decide what to decode with: what is asked for, else what was tuned, else the defaults."""
    tuned = job.run.read_optional("decoder.json")
    setting = Setting.from_json(tuned) if tuned else Setting(job.recipe.decode, None, None)
    if lm is not None:
        setting = replace(setting, lm=None if lm == NO_LM else Path(lm).resolve())
    elif setting.lm is None:
        setting = replace(setting, lm=_training_lm(job))
    if lexicon is not None:
        setting = replace(setting, lexicon=lexicon.resolve())
    return replace(setting, decode=config.override(setting.decode, overrides))


def _training_lm(job: Job) -> Path | None:
    """Build a trigram of the run's own training sentences, once."""
    from sylvian.decode.ngram import build_ngram, write_arpa

    path = job.run.path / "lm" / "training-3gram.arpa.gz"
    if not path.is_file():
        sentences = [
            s for t in job.training_sentences if not is_cue(t) and (s := normalize_sentence(t))
        ]
        if not sentences:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arpa(build_ngram(sentences, order=3), path)
    return path.resolve()


def train_lm(text: Sequence[Path], *, order: int, out: Path, progress: Progress) -> LmResult:
    """Estimate an n-gram from text files and write it as ARPA.

    Raises:
        DataError: a file cannot be read, or holds no sentence.
    """
    from sylvian.decode.ngram import build_ngram, write_arpa

    sentences: list[str] = []
    for done, path in enumerate(text, start=1):
        sentences += read_sentences(path)
        progress("read text", done, len(text), path.name)
    model = build_ngram(sentences, order=order)
    write_arpa(model, out)
    return LmResult(str(out), order, len(sentences), model.n_ngrams)


def read_sentences(path: Path) -> list[str]:
    """Read text for a language model, normalised, one sentence a line.

    Raises:
        DataError: the file cannot be read, or holds no sentence.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({failure})") from None
    found = [sentence for sentence in map(normalize_sentence, lines) if sentence]
    if not found:
        raise DataError(f"{path}: no sentence in it; give text with one sentence a line")
    return found


def open_graph(setting: Setting, cache: Path) -> DecodingGraph | None:
    """Build the decoding graph of a setting or fetch it from the cache; None without an n-gram.

    With CMUdict, words of the n-gram it lacks are pronounced by rule; a lexicon that was named is
    taken at its word, and the n-gram's other words are left out.
    """
    from sylvian.decode.graph import GraphConfig, build_graph

    if setting.lm is None:
        return None
    lexicon = open_lexicon(setting)
    missing = GraphConfig(missing_words="drop" if setting.lexicon else "pronounce")
    return build_graph(setting.lm, lexicon, config=missing, cache=cache)


def open_lexicon(setting: Setting) -> Lexicon:
    """Read the setting's pronunciations."""
    return Lexicon.read(setting.lexicon) if setting.lexicon else Lexicon.cmudict()


@dataclass(frozen=True)
class Searched:
    """What the decoders made of a split."""

    greedy: list[NBest]
    nbest: list[NBest] | None
    seconds: float
    warnings: tuple[str, ...] = ()


def search(job: Job, logits: Sequence[Logits], setting: Setting, progress: Progress) -> Searched:
    """Decode greedily, and with the n-gram where there is one.

    The greedy words are looked up in the words the n-gram knows, or in the whole lexicon.
    """
    from sylvian.decode.beam import FirstPass
    from sylvian.decode.greedy import greedy
    from sylvian.decode.lookup import Lookup

    graph = open_graph(setting, job.graphs)
    lexicon = open_lexicon(setting)
    if graph is not None:
        lexicon = lexicon.extended(graph.words).restrict(graph.words)
    lookup = Lookup(lexicon)
    plain = [NBest(one.key, (lookup.spell(greedy(one)),)) for one in logits]
    if graph is None:
        return Searched(plain, None, 0.0)
    first_pass = FirstPass(graph, setting.decode)
    started = time.perf_counter()
    found = []
    for done, one in enumerate(logits, start=1):
        found.append(first_pass.decode(one))
        progress(f"search {job.split}", done, len(logits), job.run.path.name)
    return Searched(plain, found, time.perf_counter() - started, _warnings(graph))


def _warnings(graph: DecodingGraph) -> tuple[str, ...]:
    report = graph.report
    if not report.n_missing:
        return ()
    some = ", ".join(report.missing[:5])
    return (
        f"{report.n_missing} words of the language model are not in the lexicon and cannot be "
        f"decoded ({some}…); give a larger lexicon, or leave --lexicon out",
    )


# -------------------------------------------------------------- what was decoded


def write_decodes(
    job: Job, setting: Setting, found: Searched, *, seconds_encoder: float
) -> DecodeResult:
    """Leave the split's hypotheses in place of earlier ones, and what they were made with."""
    from sylvian.decode.io import write_nbest

    greedy, nbest = job.folder / "greedy.jsonl", job.folder / "nbest.jsonl"
    nbest.unlink(missing_ok=True)
    write_nbest(greedy, found.greedy)
    if found.nbest is not None:
        write_nbest(nbest, found.nbest)
    result = DecodeResult(
        run=str(job.run.path),
        split=job.split,
        n_trials=len(job.infos),
        greedy=str(greedy),
        nbest=str(nbest) if found.nbest is not None else None,
        lm=str(setting.lm) if setting.lm else None,
        seconds_encoder=seconds_encoder,
        seconds_search=found.seconds,
        recorded_seconds=sum(info.n_bins * info.bin_s for info in job.infos),
        warnings=found.warnings,
    )
    made = replace(setting, llm=None).to_json() | {"result": asdict(result)}
    job.run.write(f"{job.split}/decode.json", made)
    return result


@dataclass(frozen=True)
class Decodes:
    """A split's hypotheses as the verbs after `decode` find them.

    Attributes:
        greedy: Without a language model.
        nbest: Of the n-gram, best first; None where there was none.
        decoder: `greedy`, `ngram`, or `ngram + NAME` after a second pass.
        notes: What to keep in mind about how they were decoded.
    """

    greedy: dict[TrialKey, NBest]
    nbest: dict[TrialKey, NBest] | None
    decoder: str = "greedy"
    notes: tuple[str, ...] = ()


def read_decodes(job: Job) -> Decodes:
    """Read a split's decodes; n-bests in the order of the weights the run was tuned to.

    Raises:
        DataError: the split was not decoded, or its trials are not those of the decodes.
    """
    from sylvian.decode.combine import rerank
    from sylvian.decode.io import read_nbest

    made = job.run.read_optional(f"{job.split}/decode.json")
    if made is None:
        raise DataError(
            f"{job.folder}: not decoded; run 'sylvian decode {job.run.path} --split {job.split}'"
        )
    greedy = {nbest.key: nbest for nbest in read_nbest(job.folder / "greedy.jsonl")}
    _same_trials(job, greedy)
    path = job.folder / "nbest.jsonl"
    if not path.is_file():
        return Decodes(greedy, None)
    setting = in_use(job, made)
    nbest = {one.key: rerank(one, setting.decode) for one in read_nbest(path)}
    _same_trials(job, nbest)
    llm = Setting.from_json(made).llm
    decoder = f"ngram + {Path(llm.name).name}" if llm else "ngram"
    return Decodes(greedy, nbest, decoder, tuple(_mismatches(job, setting.llm, llm)))


def in_use(job: Job, made: dict[str, Any]) -> Setting:
    """Give the weights that rank a split's lists: the tuned ones, if they are for its n-gram."""
    setting, tuned = Setting.from_json(made), job.run.read_optional("decoder.json")
    if tuned and Setting.from_json(tuned).lm == setting.lm:
        return Setting.from_json(tuned)
    return setting


def _mismatches(job: Job, tuned: Rescorer | None, used: Rescorer | None) -> Iterator[str]:
    """Say where the weights were tuned with another second pass than the lists had."""
    if tuned == used:
        return
    with_tuned, with_used = (f"with {one.name}" if one else "without" for one in (tuned, used))
    yield (
        f"weights tuned {with_tuned} rescoring, {job.split} decoded {with_used}; run 'sylvian "
        f"{'tune' if tuned is None else 'rescore'} {job.run.path}' first"
    )


def _same_trials(job: Job, found: Mapping[TrialKey, NBest]) -> None:
    differing = found.keys() ^ {info.key for info in job.infos}
    if differing:
        raise DataError(
            f"{min(differing)}: the decodes in {job.folder} are of other trials than the split "
            f"has now; run 'sylvian decode {job.run.path} --split {job.split}' again"
        )


def compare(
    job: Job, greedy: Mapping[TrialKey, NBest], words: Mapping[TrialKey, NBest] | None = None
) -> list[TrialResult]:
    """Hold every trial against its labels: phonemes of `greedy`, words of `words` or else of both.

    Raises:
        DataError: a trial has no labels.
    """
    words = words or greedy
    return [
        score_trial(info, text=words[info.key].best.text, tokens=greedy[info.key].best.tokens)
        for info in job.infos
    ]


def rate(job: Job, decodes: Decodes) -> tuple[ScoreReport, ScoreReport]:
    """Give the error rates of a split's decodes: with the n-gram where there is one, and without.

    Raises:
        DataError: the labels are withheld.
    """
    sentences = job.training_sentences
    plain = score_trials(compare(job, decodes.greedy), training_sentences=sentences)
    if decodes.nbest is None:
        return plain, plain
    compared = compare(job, decodes.greedy, decodes.nbest)
    return score_trials(compared, training_sentences=sentences), plain
