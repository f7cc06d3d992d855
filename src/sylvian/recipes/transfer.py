"""Speech with a head start: the rows of BIT's Tables 4, 8 and 9 as recipes.

Each is the Transformer of `tfs`, which differs only in where its trunk starts from. What a mix
holds is decided by what is prepared: `human` on a machine with one person's recordings is that.
"""

from __future__ import annotations

from sylvian.data.mix import MixConfig
from sylvian.data.normalize import NormalizeConfig
from sylvian.models.pretraining import ReconstructionConfig
from sylvian.recipes.recipe import Recipe
from sylvian.recipes.speech import tfs
from sylvian.recipes.start import EarlierTask, Pretraining
from sylvian.train.config import TrainConfig
from sylvian.types import Strategy

ATTEMPTED = (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT)
IMAGINED = (Strategy.IMAGINED,)


def human(corpus: str) -> Recipe:
    """Pretrain on every person's recordings, then learn phonemes (BIT-Human, Table 4)."""
    return _pretrained("human", corpus, MixConfig(species="human"))


def all_species(corpus: str) -> Recipe:
    """Pretrain on people's and monkeys' recordings, then learn phonemes (BIT-All, Table 4)."""
    return _pretrained("all", corpus, MixConfig())


def exclude_target(corpus: str) -> Recipe:
    """Pretrain on everybody but the participant who is fine-tuned afterwards (Table 8)."""
    return _pretrained("exclude_target", corpus, MixConfig(target="exclude"))


def same_participant_ssl(corpus: str) -> Recipe:
    """Pretrain on the participant's own recordings alone (BIT-SameParticipant-SSL, Table 9)."""
    return _pretrained("same_participant_ssl", corpus, MixConfig(target="only"))


def cross_task_only(corpus: str) -> Recipe:
    """Learn attempted speech first, then imagined speech (BIT-Cross-Task-Only, Tables 4 and 9)."""
    start = EarlierTask(splits="blocks") if corpus == "kunz2025" else EarlierTask()
    recipe = _speech("cross_task_only", tfs(corpus), IMAGINED)
    return recipe.model_copy(update={"start": start})


def attempted(corpus: str) -> Recipe:
    """Learn attempted speech alone, from scratch; decodes imagined speech zero-shot.

    All that the inner-speech release holds out is imagined, so epochs are chosen on its last
    attempted blocks.
    """
    recipe = _speech("attempted", tfs(corpus), ATTEMPTED)
    return recipe.model_copy(update={"splits": "blocks"}) if corpus == "kunz2025" else recipe


def imagined(corpus: str) -> Recipe:
    """Learn imagined speech alone, from scratch (BIT-TFS on imagined speech, Table 4)."""
    return _speech("imagined", tfs(corpus), IMAGINED)


def imagined_human(corpus: str) -> Recipe:
    """Pretrain on every person's recordings, then learn imagined speech (Table 4)."""
    return _speech("imagined_human", human(corpus), IMAGINED)


def imagined_all(corpus: str) -> Recipe:
    """Pretrain on people's and monkeys' recordings, then learn imagined speech (Table 4)."""
    return _speech("imagined_all", all_species(corpus), IMAGINED)


def attempted_and_imagined(corpus: str) -> Recipe:
    """Learn attempted and imagined speech together: one model, a rate for each."""
    return _speech("attempted_and_imagined", tfs(corpus), (*ATTEMPTED, *IMAGINED))


def _speech(name: str, recipe: Recipe, strategies: tuple[Strategy, ...]) -> Recipe:
    return recipe.model_copy(update={"name": name, "strategies": strategies})


def _pretrained(name: str, corpus: str, mix: MixConfig) -> Recipe:
    stage = _small(mix) if corpus == "synthetic" else Pretraining(mix=mix)
    return tfs(corpus).model_copy(update={"name": name, "start": stage})


def _small(mix: MixConfig) -> Pretraining:
    """Give a pretraining that simulated participants allow on two cores in a few minutes.

    Every simulated array has dead electrodes, more than BIT would repair, so they stay as they are.
    """
    as_they_are = NormalizeConfig(dead_channels="keep")
    return Pretraining(
        mix=mix.model_copy(update={"normalize": as_they_are}),
        objective=ReconstructionConfig(read_out="auto", mask_max_span=6),
        train=TrainConfig(epochs=20, batch_size=32, learning_rate=1e-3, precision="bf16"),
    )
