"""The decoder in use: its weights, its n-gram, its pronunciations, and who rescored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian import config
from sylvian.decode.config import WEIGHTS, DecodeConfig
from sylvian.errors import ConfigError, DataError
from sylvian.jobs import Job
from sylvian.outcomes import LmResult
from sylvian.recipes import EndToEnd
from sylvian.text import is_cue, normalize_sentence
from sylvian.text.lexicon import Lexicon
from sylvian.text.wordsets import WORD_SETS, word_set
from sylvian.types import Progress

if TYPE_CHECKING:
    from sylvian.decode.arpa import ArpaModel
    from sylvian.decode.beam import FirstPass
    from sylvian.decode.graph import DecodingGraph
    from sylvian.runs import RunFolder

NO_LM = "none"


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
        end_to_end: How an end-to-end run generates, and what else it asks; None: a cascade.
        larger: ARPA file of an n-gram that reads the lattices of the first; None: none does.
    """

    decode: DecodeConfig
    lm: Path | None
    lexicon: Path | None
    llm: Rescorer | None = None
    end_to_end: EndToEnd | None = None
    larger: Path | None = None

    @property
    def lists(self) -> tuple[str | None, Path | None]:
        """What makes its lists: what a model that generates is asked besides, and the n-gram.

        Weights chosen on such lists say nothing about others.
        """
        return (self.end_to_end.joint if self.end_to_end else None, self.lm)

    @property
    def generated(self) -> bool:
        """Whether its lists are an end-to-end model's own, in the order of its search."""
        return self.end_to_end is not None and self.end_to_end.joint == "alone"

    def to_json(self) -> dict[str, Any]:
        """Give plain data; `from_json` reads it back."""
        return {
            "decode": config.dump(self.decode),
            "lm": str(self.lm) if self.lm else None,
            "lexicon": str(self.lexicon) if self.lexicon else None,
            "llm": asdict(self.llm) if self.llm else None,
            "end_to_end": config.dump(self.end_to_end) if self.end_to_end else None,
            "larger": str(self.larger) if self.larger else None,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Setting:
        """Read back what `to_json` gave."""
        lm, lexicon = (Path(p) if (p := data[name]) else None for name in ("lm", "lexicon"))
        llm = Rescorer(**told) if (told := data.get("llm")) else None
        spoken = config.load(EndToEnd, told) if (told := data.get("end_to_end")) else None
        larger = Path(told) if (told := data.get("larger")) else None
        return cls(config.load(DecodeConfig, data["decode"]), lm, lexicon, llm, spoken, larger)


def resolve(job: Job, *, lm: str | None, lexicon: Path | None, overrides: Sequence[str]) -> Setting:
    """Decide what to decode with: what is asked for, else what was tuned, else the defaults.

    Weights are those tuned only where they were tuned on such lists.

    Raises:
        ConfigError: an unknown setting, or an n-gram where nothing would ask it.
    """
    tuned = job.run.read_optional("decoder.json")
    start = Setting(job.recipe.decode, None, None, end_to_end=job.recipe.end_to_end)
    known = Setting.from_json(tuned) if tuned else start
    setting, overrides = _read_again(known, overrides)
    spoken, searched = _apart(setting, overrides)
    decode = _absolute(config.override(known.decode, searched))
    setting = replace(setting, end_to_end=spoken, decode=decode)
    if lexicon is not None:
        setting = replace(setting, lexicon=lexicon.resolve())
    setting = replace(setting, lm=_ngram(job, setting, lm))
    if setting.lists == known.lists:
        return setting
    untuned = {name: getattr(job.recipe.decode, name) for name in WEIGHTS}
    decode = config.override(known.decode.model_copy(update=untuned), searched)
    return replace(setting, decode=_absolute(decode))


def _ngram(job: Job, setting: Setting, lm: str | None) -> Path | None:
    """Find the n-gram that is asked for; else the tuned one, else one of the run's sentences.

    Raises:
        ConfigError: nothing would ask it.
    """
    spoken = setting.end_to_end
    if spoken is not None and spoken.joint != "cascade":
        if lm not in (None, NO_LM):
            raise ConfigError(
                f"--lm {lm}: joint={spoken.joint} asks no n-gram; add --set joint=cascade"
            )
        return None
    if lm is not None:
        return None if lm == NO_LM else Path(lm).resolve()
    if setting.lm is not None and setting.lm.parent != (job.run.path / "lm").resolve():
        return setting.lm
    return _training_lm(job, setting.decode)


def in_use_by(run: RunFolder, setting: Setting) -> Setting:
    """Give the weights that rank lists made with `setting`: tuned ones, if for such lists."""
    tuned = run.read_optional("decoder.json")
    if tuned and Setting.from_json(tuned).lists == setting.lists:
        return Setting.from_json(tuned)
    return setting


def _absolute(decode: DecodeConfig) -> DecodeConfig:
    """Name a word set's file so that it is found from anywhere; `none` takes the set away.

    Raises:
        DecodeError: there is no such set.
    """
    name = decode.word_set
    if name is None or name == NO_LM:
        return decode.model_copy(update={"word_set": None})
    _ = word_set(name)
    found = name if name in WORD_SETS else str(Path(name).resolve())
    return decode.model_copy(update={"word_set": found})


def _read_again(setting: Setting, overrides: Sequence[str]) -> tuple[Setting, list[str]]:
    """Take out what is said about a second n-gram: `larger=FILE`, or `larger=none`."""
    own = [one.partition("=")[2] for one in overrides if one.startswith("larger=")]
    rest = [one for one in overrides if not one.startswith("larger=")]
    for name in own:
        setting = replace(setting, larger=None if name == NO_LM else Path(name).resolve())
    return setting, rest


def _apart(setting: Setting, overrides: Sequence[str]) -> tuple[EndToEnd | None, list[str]]:
    """Take out what is said about generating: `joint`, `words`, `generate.*`, `llm.*`."""
    if setting.end_to_end is None:
        return None, list(overrides)
    own = [one for one in overrides if one.startswith(("joint=", "words=", "generate.", "llm."))]
    rest = [one for one in overrides if one not in own]
    return config.override(setting.end_to_end, own), rest


def _training_lm(job: Job, decode: DecodeConfig) -> Path | None:
    """Build a trigram of the run's own training sentences, once for each word set.

    Every word of the set is in it, said in training or not.
    """
    from sylvian.decode.ngram import build_ngram, write_arpa

    words = word_set(decode.word_set) if decode.word_set else None
    apart = f"-{hashlib.sha256(' '.join(words).encode()).hexdigest()[:8]}" if words else ""
    path = job.run.path / "lm" / f"training-3gram{apart}.arpa.gz"
    if not path.is_file():
        sentences = [
            s for t in job.training_sentences if not is_cue(t) and (s := normalize_sentence(t))
        ]
        if not sentences:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arpa(build_ngram(sentences, order=3, vocabulary=words), path)
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
    taken at its word, and the n-gram's other words are left out. A word set leaves out all others,
    of the n-gram too.
    """
    from sylvian.decode.graph import GraphConfig, build_graph

    if setting.lm is None:
        return None
    lexicon = open_lexicon(setting)
    missing = GraphConfig(missing_words="drop" if setting.lexicon else "pronounce")
    lm = open_ngram(setting) if setting.decode.word_set else setting.lm
    return build_graph(lm or setting.lm, lexicon, config=missing, cache=cache)


def open_ngram(setting: Setting) -> ArpaModel | None:
    """Read the setting's n-gram, held to its word set; None where there is none.

    Raises:
        DecodeError: it cannot be read, or knows none of the words.
    """
    from sylvian.decode.arpafile import read_arpa
    from sylvian.decode.restrict import restrict

    if setting.lm is None:
        return None
    words = setting.decode.word_set
    return restrict(read_arpa(setting.lm), word_set(words)) if words else read_arpa(setting.lm)


def open_first_pass(
    setting: Setting, graph: DecodingGraph, *, blank_penalty: float | None = None
) -> FirstPass:
    """Prepare the setting's search.

    Args:
        setting: The setting.
        graph: Its graph.
        blank_penalty: Search with this one instead (nats).

    Raises:
        DecodeError: the second n-gram cannot be read, or lacks words of the graph.
    """
    from sylvian.decode.arpafile import read_arpa
    from sylvian.decode.beam import FirstPass

    decode = setting.decode
    if blank_penalty is not None:
        decode = decode.model_copy(update={"blank_penalty": blank_penalty})
    return FirstPass(graph, decode, larger=read_arpa(setting.larger) if setting.larger else None)


def open_lexicon(setting: Setting) -> Lexicon:
    """Read the setting's pronunciations; of its word set alone where it has one.

    Words of the set that CMUdict lacks are pronounced by rule.
    """
    lexicon = Lexicon.read(setting.lexicon) if setting.lexicon else Lexicon.cmudict()
    if setting.decode.word_set is None:
        return lexicon
    words = word_set(setting.decode.word_set)
    return (lexicon if setting.lexicon else lexicon.extended(words)).restrict(words)
