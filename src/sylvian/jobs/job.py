"""One split of one run: which trials it has, and what the model was taught before."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.errors import ConfigError
from sylvian.jobs.stages import Learnt, learnt
from sylvian.jobs.trials import divide, open_corpus, split_and_strategies
from sylvian.types import Strategy, TrialInfo

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.recipes import Recipe
    from sylvian.runs import RunFolder


@dataclass(frozen=True)
class Job:
    """One split of one run, ready to be decoded.

    Attributes:
        run: The run.
        recipe: Its recipe.
        corpus: Its recordings.
        split: As it was asked for: `test`, or `test/imagined`.
        infos: The trials.
        training_sentences: Prompts the run itself was trained on; its own n-gram is made of them.
        members: Of an ensemble: the same split of the runs it averages.
        learnt: What labels taught the model, in this training and in those before.
        earlier_sentences: Prompts that only trainings before this one saw.
    """

    run: RunFolder
    recipe: Recipe
    corpus: PreparedCorpus
    split: str
    infos: tuple[TrialInfo, ...]
    training_sentences: tuple[str, ...] = field(repr=False)
    members: tuple[Job, ...] = ()
    learnt: Learnt = field(default=Learnt(), repr=False)
    earlier_sentences: tuple[str, ...] = field(default=(), repr=False)

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
        folder = data or Path(run.environment["data"])
        corpus = open_corpus(recipe, folder)
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
        taught, own = learnt(run, corpus, folder), {info.key for info in parts["train"]}
        earlier = (info.sentence for info in taught.trials if info.key not in own)
        before = tuple(sentence for sentence in earlier if sentence)
        return cls(run, recipe, corpus, split, meant[name], sentences, members, taught, before)

    @property
    def zero_shot(self) -> tuple[Strategy, ...]:
        """Strategies among the trials of which the model learnt no label."""
        return tuple(sorted({info.strategy for info in self.infos} - self.learnt.strategies))

    @property
    def seen_sentences(self) -> tuple[str, ...]:
        """Prompts the model was trained on, by this run or before it."""
        return (*self.training_sentences, *self.earlier_sentences)

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
