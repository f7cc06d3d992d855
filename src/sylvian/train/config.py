"""What can be chosen about a training run; every default is explained where it is declared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sylvian.config import Config

# These change how fast or how safely a run proceeds, never its numbers: a run may be resumed with
# other values.
RUNTIME_FIELDS = frozenset({"n_workers", "prefetch", "cache_mb", "tensorboard", "save_every_steps"})
# These say who does which part of a step: the numbers depend on `step_trials` alone, up to the
# order of sums and each process' own dropout. A run may be resumed by more or fewer processes.
SPREAD_FIELDS = frozenset({"batch_size", "accumulate", "devices", "nodes", "strategy"})


class TrainConfig(Config):
    """Optimisation of one encoder, by CTC or by pretraining.

    The defaults follow BIT's phoneme training (paper.md section 3.4) with the two amendments of
    section 10: 3 % linear warm-up and gradient norms clipped at 1.
    """

    epochs: int = Field(100, ge=1, description="passes over the training trials")
    batch_size: int = Field(
        32, ge=1, description="trials in one forward pass, of each process where there are several"
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="forward passes per optimiser step; the step sees batch_size x accumulate x "
        "devices x nodes trials and equals one such batch",
    )
    bucket_batches: int = Field(
        16,
        ge=1,
        description="optimiser steps whose trials are shuffled together before being sorted by "
        "length; 1 = fully random batches, more = less padding",
    )
    learning_rate: float = Field(5e-4, gt=0, description="AdamW's rate at the end of the warm-up")
    final_fraction: float = Field(
        0.0, ge=0, le=1, description="rate the cosine ends at, as a fraction of learning_rate"
    )
    warmup_fraction: float = Field(
        0.03, ge=0, lt=1, description="fraction of all optimiser steps with a linearly rising rate"
    )
    weight_decay: float = Field(
        1e-5, ge=0, description="decoupled decay of matrices; vectors (norms, biases) get none"
    )
    trunk_rate: float = Field(
        1.0,
        ge=0,
        description="learning rate of the Transformer's trunk as a multiple of learning_rate; 0 = "
        "frozen, only read-ins and heads learn",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="factor of the trunk's rate from each block to the one below it; 1 = all alike",
    )
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW's averaging constants")
    epsilon: float = Field(1e-8, gt=0, description="AdamW's denominator floor (0.1 in both GRUs)")
    clip_norm: float | None = Field(
        1.0, gt=0, description="largest gradient norm of a step; null = never clip"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="bf16 = autocast in training and validation alike; weights stay fp32"
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="decay of an exponential average of the weights, which is then what is "
        "validated and saved; null = off",
    )
    patience_nonfinite: int = Field(
        10,
        ge=1,
        description="consecutive steps with a NaN or infinite loss or gradient (each skipped and "
        "counted) after which training stops with an error",
    )
    seed: int = Field(0, ge=0, description="seed of batch order, augmentation, dropout, masking")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    devices: int = Field(
        1, ge=1, description="processes on each machine, one per GPU; each takes part of every step"
    )
    nodes: int = Field(1, ge=1, description="machines; start the command on each (torchrun, srun)")
    strategy: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        description="of several processes: ddp = each holds the whole model; fsdp = the layers of "
        "the Transformer, and of a language model behind it, are kept in shards (ZeRO-3); auto = "
        "ddp",
    )
    compile: bool = Field(
        False,
        description="torch.compile for the Transformer's blocks: minutes at the first step, meant "
        "for GPUs (on a CPU nothing is gained)",
    )
    n_workers: int = Field(0, ge=0, description="processes that load data; 0 = none beside ours")
    prefetch: int = Field(2, ge=1, description="optimiser steps each worker loads ahead")
    cache_mb: int = Field(
        1024,
        ge=0,
        description="memory for trials already read, in MiB over all processes; a corpus that "
        "fits is read from disk once",
    )
    save_every_steps: int | None = Field(
        None, ge=1, description="also save `last` every so many steps within an epoch; null = no"
    )
    tensorboard: bool = Field(False, description="write TensorBoard events beside metrics.csv")

    @property
    def n_processes(self) -> int:
        """Processes on all machines together."""
        return self.devices * self.nodes

    @property
    def step_trials(self) -> int:
        """Trials of one optimiser step, all processes together."""
        return self.batch_size * self.accumulate * self.n_processes

    def continues(self, other: TrainConfig) -> bool:
        """Say whether a run begun with `other` may go on with these values.

        It may with other runtime settings, and spread over processes in another way, if as many
        trials make a step.
        """
        free = set(RUNTIME_FIELDS | SPREAD_FIELDS)
        same = self.model_dump(exclude=free) == other.model_dump(exclude=free)
        return same and self.step_trials == other.step_trials


class AugmentConfig(Config):
    """How training trials are disturbed; features are z-scores, so the units are their std.

    Published values (paper.md section 2): BIT 0.2 / 0.05; T12 GRU 0.8 / 0.2; T15 GRU 1.0 / 0.2 with
    a random cut of 3.
    """

    noise_std: float = Field(0.2, ge=0, description="white noise per bin and channel (std)")
    offset_std: float = Field(0.05, ge=0, description="constant offset per trial and channel (std)")
    random_cut: int = Field(
        0,
        ge=0,
        description="drop 0 ... random_cut - 1 leading bins, uniformly (as published: 3 drops at "
        "most 2)",
    )

    @property
    def active(self) -> bool:
        """Whether a trial is changed at all."""
        return self.noise_std > 0 or self.offset_std > 0 or self.random_cut > 1
