"""One split of one run: which trials it has, and what the encoder says about them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.protocol import trials_digest
from sylvian.text import is_cue
from sylvian.types import Logits, Progress, Strategy, Trial, TrialInfo, TrialKey

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.models.base import Encoder
    from sylvian.models.batch import Batch
    from sylvian.recipes import Recipe
    from sylvian.runs import RunFolder

BATCH = 32  # trials per forward pass when nothing is learnt


# ------------------------------------------------------------------- corpora


def open_corpus(recipe: Recipe, data: Path) -> PreparedCorpus:
    """Open the recipe's prepared corpus with the recipe's normalisation."""
    from sylvian.data.store import PreparedCorpus

    return PreparedCorpus.open(data, recipe.corpus, normalize=recipe.normalize)


def divide(recipe: Recipe, corpus: PreparedCorpus) -> dict[str, tuple[TrialInfo, ...]]:
    """Divide the corpus by the recipe's rule; keep the recipe's participant and strategies.

    Raises:
        ConfigError: the corpus has no such participant, or nobody did what was asked for.
    """
    wanted = recipe.participant
    if wanted is not None and wanted not in corpus.channels:
        known = ", ".join(corpus.channels)
        raise ConfigError(f"participant: no {wanted!r} in {recipe.corpus}; there are: {known}")
    kept = {
        name: tuple(info for info in infos if _is_meant(info, recipe))
        for name, infos in corpus.splits(recipe.splits).items()
    }
    if recipe.strategies is not None and not any(kept.values()):
        there = ", ".join(sorted({info.strategy.value for info in corpus.infos}))
        raise ConfigError(
            f"strategies: no trial of {recipe.corpus} is {' or '.join(recipe.strategies)}; "
            f"there are: {there}"
        )
    return kept


def _is_meant(info: TrialInfo, recipe: Recipe) -> bool:
    return recipe.participant in (None, info.key.participant) and (
        recipe.strategies is None or info.strategy in recipe.strategies
    )


def split_and_strategies(split: str) -> tuple[str, tuple[Strategy, ...]]:
    """Take `test/imagined` apart; no strategies where none is named.

    Raises:
        ConfigError: no strategy has that name.
    """
    name, _, told = split.partition("/")
    try:
        return name, tuple(Strategy(one) for one in told.split("+")) if told else ()
    except ValueError:
        known = ", ".join(Strategy)
        raise ConfigError(f"split {split!r}: after the slash goes a strategy: {known}") from None


def learnt_strategies(run: RunFolder, corpus: PreparedCorpus) -> set[Strategy]:
    """Find the strategies whose labels taught a run's model, or one that it began with.

    Where that is not on record, every strategy may have.
    """
    from sylvian.runs import RunFolder

    if members := run.members:
        return {one for member in members for one in learnt_strategies(member, corpus)}
    recipe = run.recipe
    found = set(recipe.strategies or ())
    if recipe.corpus == corpus.facts.name:
        found = {info.strategy for info in divide(recipe, corpus)["train"] if info.phonemes}
    start = run.environment.get("start")
    if not start:
        return found or set(Strategy)
    folder = Path(start["path"])
    before = RunFolder(folder.parent.parent)
    if (folder / "pretraining.json").is_file():  # learns from recordings without labels
        return found or set(Strategy)
    return found | learnt_strategies(before, corpus) if before.is_begun else set(Strategy)


def spoken(infos: Sequence[TrialInfo], split: str) -> list[TrialInfo]:
    """Keep the trials whose phonemes are known; cues are instructions, not speech.

    Raises:
        DataError: none is left.
    """
    kept = [info for info in infos if info.phonemes and not is_cue(info.sentence or "")]
    if not kept:
        raise DataError(f"split {split}: no labelled trial; prepare sessions that have this split")
    return kept


def labelled_trials(
    recipe: Recipe, corpus: PreparedCorpus
) -> tuple[list[TrialInfo], list[TrialInfo]]:
    """Give the train and val trials of an experiment, and no others.

    Raises:
        ConfigError: no such participant or strategy.
        DataError: one of the two has no labelled trial.
    """
    parts = divide(recipe, corpus)
    return spoken(parts["train"], "train"), spoken(parts["val"], "val")


@dataclass(frozen=True)
class Job:
    """One split of one run, ready to be decoded.

    Attributes:
        run: The run.
        recipe: Its recipe.
        corpus: Its recordings.
        split: As it was asked for: `test`, or `test/imagined`.
        infos: The trials.
        training_sentences: Prompts the run was trained on.
        members: Of an ensemble: the same split of the runs it averages.
        zero_shot: Strategies among the trials of which the model learnt no label.
    """

    run: RunFolder
    recipe: Recipe
    corpus: PreparedCorpus
    split: str
    infos: tuple[TrialInfo, ...]
    training_sentences: tuple[str, ...] = field(repr=False)
    members: tuple[Job, ...] = ()
    zero_shot: tuple[Strategy, ...] = ()

    @classmethod
    def open(cls, run: RunFolder, split: str, *, data: Path | None = None) -> Job:
        """Find the trials of a split.

        Args:
            run: A finished run.
            split: Name of the split by the recipe's rule. `test/imagined` are its imagined trials
                alone, also of a run that was not trained on such; `+` joins several strategies.
            data: Folder of prepared corpora; None for where the run was trained from.

        Raises:
            CheckpointError: training has not finished.
            ConfigError: the rule has no such split, it is empty, or there is no such strategy.
        """
        _ = run.training
        recipe = run.recipe
        corpus = open_corpus(recipe, data or Path(run.environment["data"]))
        parts = divide(recipe, corpus)
        name, strategies = split_and_strategies(split)
        meant = parts
        if strategies:
            meant = divide(recipe.model_copy(update={"strategies": strategies}), corpus)
        if not meant.get(name):
            there = ", ".join(f"{name} ({len(infos)})" for name, infos in meant.items())
            raise ConfigError(f"{run.path}: no trials in split {split!r}; there are: {there}")
        sentences = tuple(info.sentence for info in parts["train"] if info.sentence)
        members = tuple(cls.open(member, split, data=data) for member in run.members)
        new = {info.strategy for info in meant[name]} - learnt_strategies(run, corpus)
        zero_shot = tuple(sorted(new))
        return cls(run, recipe, corpus, split, meant[name], sentences, members, zero_shot)

    @property
    def folder(self) -> Path:
        """Where this split's files go."""
        return self.run.split(self.split)

    def precision(self, device: str) -> AbstractContextManager[Any]:
        """Compute in the precision the model was chosen in."""
        import torch

        bf16 = self.recipe.train.precision == "bf16"
        return torch.autocast(device, torch.bfloat16) if bf16 else nullcontext()

    @property
    def graphs(self) -> Path:
        """Cache of decoding graphs, shared by neighbouring runs."""
        return self.run.path.parent / "graphs"


# ------------------------------------------------------------------- encoder


def encode(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    """Run the best checkpoint over the split, or fetch its logits if they are of that checkpoint.

    An ensemble averages what its members say; each keeps its own logits.

    Returns:
        Logits in the order of the trials, and the seconds the encoder took (when they were made).
    """
    from sylvian.decode.io import read_logits, write_logits

    stamp = {
        "checkpoint": _checkpoint(job),
        "trials": trials_digest(info.key for info in job.infos)[1],
        "data": job.corpus.digest,
    }
    name, path = f"{job.split}/logits.json", job.folder / "logits.safetensors"
    known = job.run.read_optional(name)
    if known and known["stamp"] == stamp and path.is_file():
        return list(read_logits(path)), float(known["seconds"])
    ordered, seconds = _averaged(job, progress) if job.members else _own(job, progress)
    write_logits(path, ordered)
    job.run.write(name, {"stamp": stamp, "seconds": seconds})
    return ordered, seconds


def _own(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    started = time.perf_counter()
    found = {logits.key: logits for logits in _forward(job, progress)}
    return [found[info.key] for info in job.infos], time.perf_counter() - started


def _averaged(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    """Average the members' logits; the seconds are those of all of them."""
    from sylvian.decode.averaging import average

    told = job.run.read_optional("members.json") or {}
    encoded = [encode(member, progress) for member in job.members]
    started = time.perf_counter()
    spoken = [{one.key: one for one in logits} for logits, _ in encoded]
    missing = [i.key for i in job.infos if any(i.key not in one for one in spoken)]
    if missing:
        raise DataError(f"{missing[0]}: not a trial of every run that {job.run.path} averages")
    ordered = [average([one[i.key] for one in spoken], mean=told["mean"]) for i in job.infos]
    return ordered, sum(took for _, took in encoded) + time.perf_counter() - started


def _checkpoint(job: Job) -> str:
    """Digest what the logits come from."""
    if job.members:
        parts = [_checkpoint(member) for member in job.members]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()
    weights = job.run.best / "weights.safetensors"
    return _sha256(weights) if weights.is_file() else ""


def _forward(job: Job, progress: Progress) -> Iterator[Logits]:
    """Encode in batches of similar length, in the precision the model was chosen in."""
    import torch

    from sylvian.models.ctc import logits_of
    from sylvian.models.speechllm_files import load_ctc

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_ctc(job.run.best).to(device)
    done = 0
    for batch in batches(job, model.encoder):
        with job.precision(device.type):
            yield from logits_of(model, batch.to(device))
        done += len(batch)
        progress(f"encode {job.split}", done, len(job.infos), job.run.path.name)


def batches(job: Job, encoder: Encoder, *, size: int = BATCH) -> Iterator[Batch]:
    """Give the split's recordings, without labels, in batches of one participant and like length.

    Args:
        job: The split.
        encoder: Whose layers serve the sessions.
        size: Most trials of a batch.

    Raises:
        ConfigError: the encoder has no layers for a session; those of the nearest day serve where
            decoding is zero-shot.
    """
    from sylvian.models.batch import make_batch
    from sylvian.models.sessions import locate

    paths = {info.key.session_path for info in job.infos}
    index = locate(
        encoder.sessions,
        paths,
        shared=encoder.shares_layers,
        unseen="nearest" if job.zero_shot else "refuse",
    )
    for keys in _batches(job.infos, size):
        trials = [_unlabelled(job.corpus.read(key)) for key in keys]
        yield make_batch(trials, session_index=index, vocabulary=None)


def _unlabelled(trial: Trial) -> Trial:
    """Hand the model a recording and nothing else: no label can reach a decode."""
    return Trial(replace(trial.info, sentence=None, phonemes=None), trial.features)


def _batches(infos: Sequence[TrialInfo], size: int) -> Iterator[list[TrialKey]]:
    ordered = sorted(infos, key=lambda info: (info.key.participant, info.n_bins, info.key))
    start = 0
    while start < len(ordered):
        participant = ordered[start].key.participant
        chunk = ordered[start : start + size]
        keys = [info.key for info in chunk if info.key.participant == participant]
        yield keys
        start += len(keys)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
