"""One optimiser step: parameter groups, learning rate, gradient scaling and clipping, averaging."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.frontend import DayAffine
from sylvian.models.transformer import Transformer
from sylvian.train.config import TrainConfig
from sylvian.train.sharding import divided_like, norm_of, own_part


def learning_rate_at(step: int, *, n_steps: int, config: TrainConfig) -> float:
    """Return the learning rate of optimiser step `step` (from 0) of `n_steps`.

    Rises linearly over `warmup_fraction` of all steps, then follows half a cosine from
    `learning_rate` down to `final_fraction` of it.

    Why here: a function of the step has no state, so it cannot fall out of step with the optimiser
    (the official code's scheduler runs one step too far) and needs no saving.
    """
    n_warmup = round(config.warmup_fraction * n_steps)
    if step < n_warmup:
        return config.learning_rate * (step + 1) / n_warmup
    done = min(1.0, (step - n_warmup) / max(1, n_steps - n_warmup))
    floor = config.final_fraction
    return config.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Build AdamW (fused where torch has it for the device), without decay on vectors.

    A parameter with fewer than two axes longer than one (norms, biases, a mask token) is not
    decayed: shrinking it regularises nothing. Neither are the day layers, which start as the
    identity (as in the T15 baseline, paper.md section 3.5). Parts of the trunk learn at their own
    multiple of the rate; where that is 0 they ask for no gradient either.

    Raises:
        ConfigError: rates for a trunk were given, but the encoder has none.
    """
    scales = rate_scales(model, config)
    for parameter in model.parameters():
        if scales.get(id(parameter)) == 0:
            parameter.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    spared = _day_layers(model)
    groups: dict[tuple[float, float, type[Tensor]], list[nn.Parameter]] = {}
    for parameter in parameters:
        decays = _is_matrix(parameter) and id(parameter) not in spared
        decay = config.weight_decay if decays else 0.0
        # AdamW takes no shards and whole tensors in one call
        kind = (decay, scales.get(id(parameter), 1.0), type(parameter.data))
        groups.setdefault(kind, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "weight_decay": decay, "rate_scale": scale}
            for (decay, scale, _), own in groups.items()
        ],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        fused=all(p.device.type in ("cpu", "cuda") for p in parameters),
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group its multiple of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_scale", 1.0)


def rate_scales(model: nn.Module, config: TrainConfig) -> dict[int, float]:
    """Give the multiple of the learning rate of every trunk parameter, by `id`.

    The final norm learns at `trunk_rate`, the last block at that, each block below at
    `layer_decay` times the rate of the one above, and the mask token at the lowest block's.

    Raises:
        ConfigError: rates for a trunk were given, but the encoder has none.
    """
    if config.trunk_rate == 1 and config.layer_decay == 1:
        return {}
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, Transformer):
        raise ConfigError(
            "train.trunk_rate and train.layer_decay are for a Transformer's trunk; leave them at 1"
        )
    depth = len(encoder.blocks)
    lowest = config.trunk_rate * config.layer_decay ** (depth - 1)
    scales = dict.fromkeys(map(id, encoder.trunk_parameters()), config.trunk_rate)
    scales[id(encoder.mask_token)] = lowest
    for above, block in enumerate(reversed(list(encoder.blocks))):
        scale = config.trunk_rate * config.layer_decay**above
        scales |= dict.fromkeys(map(id, block.parameters()), scale)
    return scales


def gradient_norm(model: nn.Module) -> Tensor:
    """Return the norm of all gradients together (a scalar; not yet read from the device)."""
    return norm_of(_present(p.grad for p in model.parameters()))


def scale_gradients(model: nn.Module, factor: float) -> None:
    """Multiply every gradient by `factor`, in place."""
    gradients = [own_part(own) for own in _present(p.grad for p in model.parameters())]
    if gradients and factor != 1.0:
        torch._foreach_mul_(gradients, factor)


def clip_factor(norm: float, clip_norm: float | None) -> float:
    """Return the factor that brings gradients of `norm` down to `clip_norm`; at most 1."""
    return 1.0 if clip_norm is None or norm <= clip_norm else clip_norm / norm


class Ema:
    """Exponential moving average of a model's parameters.

    The decay starts small and rises, min(decay, (1 + n) / (10 + n)) after n updates, so that the
    initial weights are forgotten quickly.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._average = {name: p.detach().clone() for name, p in self._parameters.items()}

    def update(self, n_updates: int) -> None:
        """Move the average towards the current weights; `n_updates` were made before."""
        decay = min(self._decay, (1 + n_updates) / (10 + n_updates))
        current = [own_part(p.detach()) for p in self._parameters.values()]
        average = [own_part(own) for own in self._average.values()]
        torch._foreach_lerp_(average, current, 1 - decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Let the model carry the average inside the block."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def swap(self) -> None:
        """Exchange the model's weights and the average.

        By copying: whoever keeps weights in shards holds on to the memory, not to the parameter.
        """
        for name, parameter in self._parameters.items():
            weights, average = own_part(parameter.detach()), own_part(self._average[name])
            kept = weights.clone()
            weights.copy_(average)
            average.copy_(kept)

    def state(self) -> dict[str, Tensor]:
        """Return the average by parameter name."""
        return dict(self._average)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved average.

        Raises:
            CheckpointError: its names are not the model's.
        """
        if state.keys() != self._average.keys():
            raise CheckpointError("the saved weight average belongs to another model")
        for name, value in state.items():
            own = self._average[name]
            own_part(own).copy_(own_part(divided_like(own, value)))


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's moments as `parameter/moment`; untouched parameters have none."""
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for moment, value in optimizer.state.get(parameter, {}).items():
            found[f"{name}/{moment}"] = value
    return found


def restore_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Give `optimizer` the moments that `optimizer_tensors` returned.

    Raises:
        CheckpointError: a moment belongs to no parameter of `model`.
    """
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, _, moment = key.rpartition("/")
        if name not in parameters:
            raise CheckpointError(f"the saved optimiser knows {name!r}, the model does not")
        parameter = parameters[name]
        if moment == "step":
            device = parameter.device if _fused(optimizer) else "cpu"
            optimizer.state[parameter][moment] = value.to(device, copy=True)
        else:
            optimizer.state[parameter][moment] = divided_like(parameter, value)


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    return bool(optimizer.defaults.get("fused"))


def _day_layers(model: nn.Module) -> set[int]:
    days = (module for module in model.modules() if isinstance(module, DayAffine))
    return {id(parameter) for day in days for parameter in day.parameters()}


def _is_matrix(parameter: nn.Parameter) -> bool:
    return sum(size > 1 for size in parameter.shape) >= 2


def _present(gradients: Iterable[Tensor | None]) -> Iterator[Tensor]:
    return (gradient for gradient in gradients if gradient is not None)
