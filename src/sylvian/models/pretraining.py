"""Learning from recordings without labels: masked reconstruction, next-bin prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config
from sylvian.errors import ConfigError, DataError
from sylvian.models.base import Encoder
from sylvian.models.batch import Batch
from sylvian.models.ctc import LossParts
from sylvian.models.masking import BinMasks, fixed_masks, span_mask
from sylvian.models.readout import Averages, Patches, ReadOuts, chosen_places, cut_patches
from sylvian.models.reconstruction import ReconstructionSums
from sylvian.models.sessions import LayersPer, layers_of
from sylvian.models.transformer import Transformer


class _PretrainingConfig(Config):
    read_out: LayersPer = Field("participant", description="one read-out per")
    noise_std: float = Field(0.2, ge=0, description="white noise on the input, never the target")
    offset_std: float = Field(0.05, ge=0, description="noise per trial and channel, likewise")


class ReconstructionConfig(_PretrainingConfig):
    """Masked reconstruction: say what the hidden frames held (dossier §3.2, §3.3)."""

    kind: Literal["reconstruction"] = "reconstruction"
    loss: Literal["mse", "poisson"] = Field(
        "mse", description="poisson: the read-out is a log rate, the features are counts"
    )
    mask_ratio: float = Field(0.5, gt=0, lt=1, description="share of frames hidden")
    mask_max_span: int = Field(15, gt=0, description="longest hidden span in frames")
    averages: tuple[PositiveFloat, ...] = Field(
        (),
        description="averages of the visible frames around a hidden one that the read-out starts "
        "from, by the width of their Gaussian weights in frames, with a gain per channel; a large "
        "width is the whole trial. Baselines then need not pass through the trunk; none is BIT's",
    )
    drift_std: float = Field(
        0.0,
        ge=0,
        description="offset per trial and channel on input and target alike, as baselines drift "
        "between blocks: what is hidden then follows from what is visible in the same trial",
    )

    @model_validator(mode="after")
    def _counts_do_not_drift(self) -> ReconstructionConfig:
        if self.loss == "poisson" and self.drift_std > 0:
            raise ValueError("counts cannot be shifted; set drift_std=0, or use loss=mse")
        return self


class NextBinConfig(_PretrainingConfig):
    """Binary autoregression: say which channels will be active in each bin of the next patch.

    With `patch_bins=1` that is the next bin. A bin is active where its feature exceeds `threshold`:
    for counts, and for z-scores of channels with less than one spike per bin on average, 0 asks
    whether there was any threshold crossing.

    Source: dossier §7, "Independent evidence": the one objective that helped in the open
    replication of cross-species pretraining.
    """

    kind: Literal["next_bin"] = "next_bin"
    threshold: float = Field(0.0, description="a bin above it counts as active")


PretrainingConfig = Annotated[ReconstructionConfig | NextBinConfig, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Guesses:
    """What a model says about some patches of a batch, and the truth.

    Attributes:
        outputs: Read-outs: values, log rates or log odds, float32.
        truth: What they are compared with.
        counts: How many of the patches belong to each trial.
    """

    outputs: Float[Tensor, "rows bins channels"]
    truth: Patches
    counts: tuple[int, ...]


class PretrainingModel(nn.Module):
    """An encoder with a linear read-out back to patches of raw features.

    Args:
        encoder: Features to latents; a Transformer, whose frames do not overlap.
        config: What is predicted, and who shares a read-out.
        seed: Decides the read-outs' initial weights.

    Raises:
        ConfigError: the encoder has overlapping frames, or sees the future it is to predict.
    """

    def __init__(
        self, encoder: Encoder, config: ReconstructionConfig | NextBinConfig, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.encoder, self.config = _suited(encoder, config), config
        channels, of_session = layers_of(encoder.sessions, per=config.read_out)
        sizes = [encoder.frame_bins * n_channels for n_channels in channels.values()]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.read_outs = ReadOuts(encoder.width, sizes, of_session=of_session)
        widths = config.averages if isinstance(config, ReconstructionConfig) else ()
        own = list(channels.values())
        self.averages = Averages(own, of_session=of_session, widths=widths) if widths else None

    def forward(self, batch: Batch, hidden: Bool[Tensor, " rows"] | None = None) -> Guesses:
        """Predict the hidden frames, or every next patch.

        Args:
            batch: Trials of one channel count; targets are its features without the noise.
            hidden: For reconstruction, which frames to hide, trial after trial; None draws them.

        In training mode the inputs are disturbed by the configured noise, from torch's generator.
        """
        features = self._drifted(batch.features) if self.training else batch.features
        inputs = self._disturb(features) if self.training else features
        patches = cut_patches(features, batch.n_bins, self.encoder.frame_bins)
        frames = self.encoder.n_frames(batch.n_bins).tolist()
        if isinstance(self.config, NextBinConfig):
            places, counts = chosen_places(frames, _all_but_the_last(frames))
            truth = patches.at(places + 1)
            active = (truth.values > self.config.threshold).to(truth.values.dtype)
            latents = self.encoder(inputs, batch.n_bins, batch.session)
            return self._read_out(latents, places, counts, Patches(active, truth.valid), batch)
        hidden = self.draw_masks(batch) if hidden is None else hidden
        places, counts = chosen_places(frames, hidden.cpu())
        truth = patches.at(places)
        latents = self.encoder.encode_masked(
            inputs, batch.n_bins, batch.session, hidden.to(inputs.device, non_blocking=True)
        )
        guesses = self._read_out(latents, places, counts, truth, batch)
        if self.averages is None:
            return guesses
        seen = cut_patches(inputs, batch.n_bins, self.encoder.frame_bins)
        shut = torch.zeros_like(seen.valid[:, :, 0]).flatten()
        shut[places.to(shut.device)] = True
        start = self.averages(seen, shut.view(len(batch), -1), batch.session.tolist())
        start = start.flatten(0, 1).index_select(0, places.to(start.device))
        return replace(guesses, outputs=guesses.outputs + start)

    def draw_masks(
        self, batch: Batch, *, generator: torch.Generator | None = None
    ) -> Bool[Tensor, " rows"]:
        """Draw fresh masks for a batch, on the CPU; see `span_mask`."""
        config = self._reconstruction("draws masks")
        lengths = self.encoder.n_frames(batch.n_bins).tolist()
        return span_mask(
            lengths, ratio=config.mask_ratio, max_span=config.mask_max_span, generator=generator
        )

    def fixed_masks(self, batch: Batch, *, seed: int) -> Bool[Tensor, " rows"]:
        """Give each trial the mask that belongs to its key and `seed`; see `fixed_masks`."""
        config = self._reconstruction("has masks")
        lengths = self.encoder.n_frames(batch.n_bins).tolist()
        keys = [str(key) for key in batch.keys]
        return fixed_masks(
            keys, lengths, ratio=config.mask_ratio, max_span=config.mask_max_span, seed=seed
        )

    def bin_masks(self, *, seed: int) -> BinMasks:
        """Give baselines the same masks as `fixed_masks`."""
        config = self._reconstruction("has masks")
        return BinMasks(config.mask_ratio, config.mask_max_span, self.encoder.frame_bins, seed)

    def expected(self, outputs: Tensor) -> Tensor:
        """Turn read-outs into expected values: rates from log rates, odds into probabilities."""
        if isinstance(self.config, NextBinConfig):
            return outputs.sigmoid()
        return outputs.exp() if self.config.loss == "poisson" else outputs

    def _read_out(
        self,
        latents: Float[Tensor, "batch frames width"],
        places: Int64[Tensor, " rows"],
        counts: tuple[int, ...],
        truth: Patches,
        batch: Batch,
    ) -> Guesses:
        chosen = latents.flatten(0, 1).index_select(0, places.to(latents.device))
        rows = self.read_outs(chosen, counts, batch.session.tolist())
        return Guesses(rows.float().view(truth.values.shape), truth, counts)

    def _drifted(self, features: Tensor) -> Tensor:
        std = self.config.drift_std if isinstance(self.config, ReconstructionConfig) else 0.0
        return features + std * torch.randn_like(features[:, :1]) if std > 0 else features

    def _disturb(self, features: Tensor) -> Tensor:
        config = self.config
        if config.noise_std > 0:
            features = features + config.noise_std * torch.randn_like(features)
        if config.offset_std > 0:
            features = features + config.offset_std * torch.randn_like(features[:, :1])
        return features

    def _reconstruction(self, verb: str) -> ReconstructionConfig:
        if isinstance(self.config, ReconstructionConfig):
            return self.config
        raise ConfigError(f"only masked reconstruction {verb}; this model predicts the next bin")


class PretrainingObjective:
    """Loss of a pretraining model, averaged over the entries that were predicted.

    An entry is one channel in one recorded bin of a hidden (or next) patch; padding and the part
    of a patch behind the end of its trial are none. `n_items` counts entries, so that batches can
    be averaged exactly; `n_impossible` counts trials with nothing to predict.

    Args:
        model: What is trained.
        generator: Source of the masks; None is torch's own.

    Source: dossier §3.3.
    """

    def __init__(
        self, model: PretrainingModel, *, generator: torch.Generator | None = None
    ) -> None:
        self.model, self.generator = model, generator

    def __call__(self, batch: Batch) -> LossParts:
        """Score a batch; reconstruction draws fresh masks.

        Raises:
            DataError: the Poisson loss got features below zero.
        """
        if isinstance(self.model.config, NextBinConfig):
            return self.score(batch, self.model(batch))
        hidden = self.model.draw_masks(batch, generator=self.generator)
        return self.score(batch, self.model(batch, hidden))

    def score(self, batch: Batch, guesses: Guesses) -> LossParts:
        """Score what the model said about a batch.

        Raises:
            DataError: the Poisson loss got features below zero.
        """
        name, losses = self._losses(batch, guesses)
        valid = guesses.truth.valid
        n_entries = int(valid.sum()) * losses.shape[-1]
        total = (losses * valid.unsqueeze(-1)).sum() / max(n_entries, 1)
        idle = sum(count == 0 for count in guesses.counts)
        return LossParts(total, {name: total.detach()}, n_entries, idle)

    def _losses(self, batch: Batch, guesses: Guesses) -> tuple[str, Tensor]:
        outputs, truth = guesses.outputs, guesses.truth.values.float()
        if isinstance(self.model.config, NextBinConfig):
            bce = functional.binary_cross_entropy_with_logits(outputs, truth, reduction="none")
            return "next_bin", bce
        if self.model.config.loss == "mse":
            return "masked_mse", (outputs - truth) ** 2
        if len(truth) and (lowest := float(truth.min())) < 0:
            raise DataError(
                f"{batch.keys[0]} and batch mates: the Poisson loss needs counts, found {lowest:g};"
                " read them with normalize.kind=none, or use loss=mse"
            )
        return "masked_poisson", functional.poisson_nll_loss(outputs, truth, reduction="none")


@torch.no_grad()
def reconstruct(model: PretrainingModel, batch: Batch, *, seed: int) -> list[ReconstructionSums]:
    """Judge a model on hidden (or next) bins in inference mode; one result per trial.

    Reconstruction hides what `fixed_masks` says, so baselines given the same seed and keys are
    judged on exactly the same bins. Next-bin models are judged by their probabilities (R² is then
    one minus the Brier score over its value for the channel's base rate). The model's training
    flag is put back afterwards.
    """
    next_bin = isinstance(model.config, NextBinConfig)
    hidden = None if next_bin else model.fixed_masks(batch, seed=seed)
    was_training = model.training
    model.eval()
    try:
        guesses = model(batch, hidden)
    finally:
        model.train(was_training)
    return judge(model, guesses)


def judge(model: PretrainingModel, guesses: Guesses) -> list[ReconstructionSums]:
    """Compare what a model said about a batch with the truth; one result per trial."""
    parts = (guesses.truth.values, model.expected(guesses.outputs), guesses.truth.valid)
    trials = zip(*(torch.split(part.cpu(), list(guesses.counts)) for part in parts), strict=True)
    return [
        ReconstructionSums.of(truth[valid].numpy(), mean[valid].numpy())
        for truth, mean, valid in trials
    ]


def _all_but_the_last(frames: list[int]) -> Bool[Tensor, " rows"]:
    keep = torch.ones(sum(frames), dtype=torch.bool)
    keep[torch.tensor(frames).cumsum(0) - 1] = False
    return keep


def _suited(encoder: Encoder, config: ReconstructionConfig | NextBinConfig) -> Transformer:
    if not isinstance(encoder, Transformer):
        raise ConfigError(
            "pretraining needs frames that do not overlap, a GRU's do; use encoder.kind=transformer"
        )
    if isinstance(config, NextBinConfig) and encoder.lookahead_bins != 0:
        seen = "the whole trial" if encoder.lookahead_bins is None else "bins of the next patch"
        raise ConfigError(
            f"next-bin prediction with an encoder that sees {seen} is no prediction; "
            "set encoder.causal=true"
        )
    return encoder
