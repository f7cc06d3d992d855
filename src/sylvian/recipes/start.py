"""Where an encoder's trunk starts from: nothing, recordings without labels, or another task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sylvian.config import LATER, Config
from sylvian.data.mix import MixConfig
from sylvian.models.encoder import EncoderConfig
from sylvian.models.pretraining import PretrainingConfig, ReconstructionConfig
from sylvian.models.sessions import LayersPer
from sylvian.models.transformer import TransformerConfig
from sylvian.train.config import TrainConfig
from sylvian.types import Strategy

ReadInsFrom = Literal["new", "same", "spikes"]
_READ_INS = (
    "new: random read-ins; same: the saved ones, by name, for as many channels; spikes: the saved "
    "ones for the spikes, and zeros for the other features"
)


class Pretraining(Config):
    """Pretrain the trunk on a mix of recordings first; their labels are not used.

    The defaults are BIT's (paper.md sections 3.2 to 3.4) with the amendments of section 10.
    """

    kind: Literal["pretraining"] = "pretraining"
    mix: MixConfig = Field(MixConfig(), description="whose recordings")
    objective: PretrainingConfig = Field(
        ReconstructionConfig(read_out="auto"), description="what is predicted"
    )
    read_in: LayersPer = Field(
        "auto", description="one read-in per; auto: participant, or session where channels differ"
    )
    read_ins: ReadInsFrom = Field("new", description=_READ_INS)
    train: TrainConfig = Field(
        TrainConfig(epochs=400, batch_size=64, precision="bf16"), description="optimisation"
    )

    def recipe(self, encoder: EncoderConfig) -> PretrainingRecipe:
        """Give the whole first stage for the trunk of `encoder`.

        What belongs to fine-tuning alone (time masking, day layers) is set aside, so that
        fine-tunings which differ in nothing else share one pretraining.
        """
        if not isinstance(encoder, TransformerConfig):
            encoder = TransformerConfig()  # refused by the caller; keeps the types simple
        trunk = encoder.model_copy(
            update={"mask_ratio": 0.0, "day_affine": False, "read_in": self.read_in}
        )
        return PretrainingRecipe(
            mix=self.mix, objective=self.objective, encoder=trunk, train=self.train
        )


class EarlierTask(Config):
    """Learn phonemes of the same participant's other way of speaking first, with labels.

    Source: BIT-Cross-Task-Only, paper.md section 8.
    """

    kind: Literal["supervised"] = "supervised"
    strategies: tuple[Strategy, ...] = Field(
        (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT),
        description="what the participant did in the trials to start with",
    )
    corpus: str | None = Field(
        None, description="corpus of those trials; null: the one to be fine-tuned"
    )
    splits: Literal["benchmark", "bit", "blocks"] | None = Field(
        None,
        description="rule that divides those trials; null: the one of the trials to be fine-tuned",
        json_schema_extra=LATER,
    )
    keep: Literal["trunk", "model"] = Field(
        "trunk",
        description="what goes on learning. trunk: as after a pretraining, with new read-ins and a "
        "new phoneme head; model: those too, for the same participants of the same corpus",
        json_schema_extra=LATER,
    )


class Checkpoint(Config):
    """Start from the trunk of a saved model, pretrained or fine-tuned."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: str = Field(description="a run folder, or a folder of a saved model")
    read_ins: ReadInsFrom = Field("new", description=_READ_INS)


class Phonemes(Config):
    """Learn phonemes of the same trials first, by a recipe of its own: encoder and head go on.

    Source: the stages of BIT, paper.md section 6.6.
    """

    kind: Literal["phonemes"] = "phonemes"
    recipe: str = Field("all", description="recipe of the phoneme stage, its pretraining included")
    overrides: tuple[str, ...] = Field((), description="its settings, key=value")


Start = Annotated[Pretraining | EarlierTask | Phonemes | Checkpoint, Field(discriminator="kind")]


class PretrainingRecipe(Config):
    """One complete pretraining: whose recordings, what is predicted, encoder, optimisation."""

    name: Literal["pretraining"] = Field("pretraining", description="names the run folder")
    mix: MixConfig = Field(MixConfig(), description="whose recordings")
    objective: PretrainingConfig = Field(
        ReconstructionConfig(read_out="auto"), description="what is predicted"
    )
    encoder: TransformerConfig = Field(
        TransformerConfig(read_in="auto"), description="the encoder whose trunk is handed on"
    )
    train: TrainConfig = Field(
        TrainConfig(epochs=400, batch_size=64, precision="bf16"), description="optimisation"
    )
