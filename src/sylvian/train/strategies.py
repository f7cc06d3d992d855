"""How Lightning runs a training: one process, replicas, or shards."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

from sylvian.errors import ConfigError
from sylvian.train.config import TrainConfig


class Replicas(DDPStrategy):
    """Lightning's DDP without torch's wrapper: it starts and joins the processes, we add gradients.

    See `add_gradients` for why.
    """

    def configure_ddp(self) -> None:
        """Leave the model as it is."""


def engine_options(config: TrainConfig) -> dict[str, Any]:
    """Choose accelerator, processes and strategy for `Trainer`.

    Raises:
        ConfigError: there are not so many GPUs, or SLURM was asked for tasks in a way that
            Lightning does not take.
    """
    _check_devices(config)
    options: dict[str, Any] = {"accelerator": config.device, "devices": config.devices}
    if config.n_processes == 1:
        # alone in whatever surroundings: there is nobody to look for
        return options | {"plugins": LightningEnvironment()}
    options |= {"num_nodes": config.nodes, "strategy": _strategy(config)}
    if SLURMEnvironment.detect():
        options["plugins"] = _slurm()
    return options


def _slurm() -> SLURMEnvironment:
    try:
        # requeueing by Lightning would save by pickle; `--resume` continues a run
        return SLURMEnvironment(auto_requeue=False)
    except RuntimeError as failure:
        raise ConfigError(f"SLURM: {failure}") from None


def _strategy(config: TrainConfig) -> Replicas | ModelParallelStrategy:
    if config.strategy != "fsdp":
        return Replicas()
    # Lightning's home of FSDP2; what is divided, and how it is saved, is up to us
    return ModelParallelStrategy(data_parallel_size=config.n_processes, tensor_parallel_size=1)


def _check_devices(config: TrainConfig) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if config.device == "gpu" and not count:
        raise ConfigError("train.device=gpu, but torch sees no GPU; use cpu or auto")
    if config.device != "cpu" and count and config.devices > count:
        raise ConfigError(
            f"train.devices={config.devices}, but torch sees {count} GPUs here; lower it, or use "
            "train.device=cpu"
        )
