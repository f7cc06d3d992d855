"""What can be chosen about a search; the space itself is in `sylvian.sweep.space`."""

from __future__ import annotations

from pydantic import Field

from sylvian.config import Config


class SweepConfig(Config):
    """How many draws, when a draw is given up, and where they are trained.

    Thirty random draws are the published search (paper.md section 3.4, Table 12). It is not said
    to have stopped any early: `asha=false` is the table to the letter.
    """

    draws: int = Field(30, ge=1, description="draws from the space; the first n of a seed stay")
    seed: int = Field(0, ge=0, description="seed of the draws; the runs keep the recipe's own")
    asha: bool = Field(
        True,
        description="stop draws whose PER falls behind (asynchronous successive halving); false: "
        "train every draw to its end",
    )
    grace_epochs: int | None = Field(
        None,
        ge=1,
        description="epochs a draw gets before it may be stopped; null: a ninth of the recipe's",
    )
    reduction_factor: float = Field(
        3.0,
        gt=1,
        description="one draw in so many goes on from a rung, and the next rung is so many times "
        "as many epochs away",
    )
    cpus: float = Field(1.0, gt=0, description="cores of one draw")
    gpus: float | None = Field(
        None,
        ge=0,
        description="GPUs of one draw, 0.5 to share one; null: one where there are any",
    )
    jobs: int | None = Field(
        None, ge=1, description="most draws at a time; null: as many as cores and GPUs allow"
    )
    address: str | None = Field(
        None, description="a running Ray cluster, host:port or auto; null: this machine alone"
    )
