"""Encoders that speak to a language model: built for a recipe, begun from phonemes, reopened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sylvian.errors import ConfigError
from sylvian.evaluate import word_edits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sylvian.models.ctc import CtcModel
    from sylvian.models.opening import BackboneConfig
    from sylvian.models.speechllm import SpeechLlm
    from sylvian.recipes import Recipe
    from sylvian.runs import RunFolder
    from sylvian.train.sentences import SentenceTask
    from sylvian.types import TrialInfo


_HEAD = ("head.weight", "head.bias")


def rehearse(recipe: Recipe, train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
    """Put the recipe's encoder, without weights that mean anything, before its language model.

    What does not fit shows now, and not after the days that the stages before may take.

    Args:
        recipe: An end-to-end recipe.
        train: Trials to learn from.
        val: Trials to choose the best epoch by.

    Raises:
        ConfigError, CheckpointError: the language model cannot be opened, or does not fit.
        DataError: a trial lacks its sentence or phonemes, or its sentence does not fit.
    """
    from sylvian.models.ctc import CtcModel
    from sylvian.models.encoder import build_encoder
    from sylvian.models.sessions import SessionSpec
    from sylvian.text import phoneme_vocabulary

    anybody = SessionSpec(path="corpus/somebody/day", participant="corpus/somebody", n_channels=1)
    encoder = build_encoder(recipe.encoder, [anybody])
    sentence_task(recipe, CtcModel(encoder, phoneme_vocabulary())).admit(train, val)


def sentence_task(recipe: Recipe, phonemes: CtcModel) -> SentenceTask:
    """Put an encoder and its phoneme head before the recipe's language model, to be trained.

    Args:
        recipe: An end-to-end recipe.
        phonemes: Taken over, not copied.

    Raises:
        ConfigError, CheckpointError: the language model cannot be opened, or does not fit.
    """
    from sylvian.models.opening import check_backbone, open_backbone
    from sylvian.models.speechllm import build_speech_llm
    from sylvian.train.sentences import SentenceTask

    wanted, seed = recipe.end_to_end, recipe.train.seed
    assert wanted is not None  # an end-to-end recipe
    check_backbone(wanted.llm)
    llm, tokenizer = open_backbone(wanted.llm)
    model = build_speech_llm(phonemes, llm, tokenizer, wanted.speech, seed=seed)
    return SentenceTask(
        model,
        wanted.losses,
        word_edits,
        n_generated=wanted.n_validated,
        seed=seed,
        as_written=wanted.as_written,
    )


def open_speaker(run: RunFolder, llm: BackboneConfig | None = None) -> SpeechLlm:
    """Load the best checkpoint of an end-to-end run, with the language model it was trained with.

    It only answers: the adapters are folded into the language model's layers.

    Args:
        run: A finished end-to-end run.
        llm: Where the language model is now, and its precision; None: as it was trained.

    Raises:
        ConfigError, CheckpointError: the language model is not to be had, or is another one; or the
            checkpoint is damaged.
    """
    from sylvian.models.adapters import fold_adapters
    from sylvian.models.opening import open_backbone
    from sylvian.models.speechllm_files import load_speech_llm

    wanted = run.recipe.end_to_end
    assert wanted is not None  # asked of end-to-end runs alone
    base, tokenizer = open_backbone(llm or wanted.llm)
    speaker = load_speech_llm(run.best, base, tokenizer)
    fold_adapters(base)
    return speaker


def take_phonemes(model: CtcModel, start: Path, *, read_ins: bool) -> tuple[str, ...]:
    """Begin an encoder and its head with those of a saved phoneme model.

    Built for the same sessions, all is taken over. Otherwise the head and the Transformer's trunk
    are, and the read-ins where asked.

    Args:
        model: Changed in place.
        start: Folder of the saved model.
        read_ins: Whether read-ins of the same names are taken over, too.

    Returns:
        Names of the tensors taken over; each was compared after loading.

    Raises:
        CheckpointError: there is no such model, or its sizes differ.
        ConfigError: its phonemes are others.
    """
    import torch

    from sylvian.errors import CheckpointError
    from sylvian.models.artefact import check_tensors
    from sylvian.models.pretrained import load_trunk
    from sylvian.models.speechllm_files import load_ctc

    saved = load_ctc(start)
    if saved.vocabulary.tokens != model.vocabulary.tokens:
        raise ConfigError(f"{start}: its phonemes are not this program's; train it again")
    theirs = saved.state_dict()
    trunk: tuple[str, ...] = ()
    names = tuple(theirs)
    if saved.encoder.sessions != model.encoder.sessions:
        trunk = load_trunk(model.encoder, start, read_ins=read_ins)  # compares what it brings
        names = _HEAD
    ours, wanted = model.state_dict(), {name: theirs[name] for name in names}
    check_tensors({name: ours[name] for name in names}, wanted, start)
    model.load_state_dict(wanted, strict=False)
    ours = model.state_dict()
    if wrong := [name for name in names if not torch.equal(ours[name], theirs[name])]:
        raise CheckpointError(f"{start}: {len(wrong)} tensors did not arrive, first {wrong[0]!r}")
    return (*(f"encoder.{name}" for name in trunk), *names)
