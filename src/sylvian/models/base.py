"""What every encoder promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models.sessions import LayersPer, SessionSpec, Unseen, check_sessions, locate

Length = TypeVar("Length", int, Tensor)


class Encoder(nn.Module, ABC):
    """Features of trials to latents, one latent per frame.

    A trial's latents depend on that trial alone: not on padding, not on batch mates.

    Args:
        sessions: The recording days the encoder has layers for; `session` indexes into them.
        per: Who shares the layers whose size depends on the number of channels.

    Raises:
        ConfigError: the sessions contradict one another.
    """

    config: Config
    """What the encoder was built from."""
    width: int
    """Size of a latent."""
    frame_bins: int
    """Bins from one frame to the next."""
    lookahead_bins: int | None
    """Bins of future behind a frame's own last bin that the frame depends on; None: all."""
    shares_layers: bool
    """Whether all sessions of a participant use the same layers."""

    def __init__(self, sessions: Sequence[SessionSpec], *, per: LayersPer = "participant") -> None:
        super().__init__()
        self.sessions = check_sessions(sessions, per=per)

    @property
    def session_index(self) -> dict[str, int]:
        """Session path to index, for the sessions the encoder was built for."""
        return {spec.path: index for index, spec in enumerate(self.sessions)}

    def locate(self, paths: Iterable[str], *, unseen: Unseen = "refuse") -> dict[str, int]:
        """Map sessions, also new ones, to the index whose layers serve them; see `locate`.

        Raises:
            ConfigError: a session is unknown and cannot be served.
        """
        return locate(self.sessions, paths, shared=self.shares_layers, unseen=unseen)

    @abstractmethod
    def n_frames(self, n_bins: Length) -> Length:
        """Give the number of frames of a trial of `n_bins` bins: the only length formula."""

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "batch bins channels"],
        n_bins: Int64[Tensor, " batch"],
        session: Int64[Tensor, " batch"],
    ) -> Float[Tensor, "batch frames width"]:
        """Encode whole trials; frames behind a trial's own end are zero.

        Raises:
            ConfigError: the number of channels is not the session's.
        """

    @abstractmethod
    def start(self, session: int) -> Any:
        """Begin a trial that arrives bin by bin; returns the state to hand to `step`.

        Raises:
            ConfigError: the encoder needs the whole trial, so it cannot stream.
        """

    @abstractmethod
    def step(
        self, features: Float[Tensor, "bins channels"], state: Any
    ) -> tuple[Float[Tensor, "frames width"], Any]:
        """Take the next bins; returns the frames now complete (possibly none) and a new state."""

    @abstractmethod
    def finish(self, state: Any) -> Float[Tensor, "frames width"]:
        """End the trial; returns the frames still owed."""

    def trial_lengths(
        self,
        features: Float[Tensor, "batch bins channels"],
        n_bins: Int64[Tensor, " batch"],
        session: Int64[Tensor, " batch"],
    ) -> tuple[list[int], list[int]]:
        """Check a batch; returns lengths in bins and session indices as plain numbers.

        Raises:
            ConfigError: an index or the number of channels is not one the encoder was built for,
                or a length does not lie within the padded features.
        """
        lengths, indices = n_bins.tolist(), session.tolist()
        if not 0 < min(lengths) <= max(lengths) <= features.shape[1]:
            raise ConfigError(
                f"trial lengths {min(lengths)} to {max(lengths)} bins do not fit features padded "
                f"to {features.shape[1]} bins"
            )
        for index in set(indices):
            self.check_channels(features.shape[-1], index)
        return lengths, indices

    def check_channels(self, n_channels: int, index: int) -> None:
        """Raise ConfigError unless session `index` exists and has `n_channels` channels."""
        if not 0 <= index < len(self.sessions):
            raise ConfigError(f"session index {index} is not one of {len(self.sessions)} sessions")
        spec = self.sessions[index]
        if spec.n_channels != n_channels:
            raise ConfigError(
                f"{spec.path}: features have {n_channels} channels, the encoder was built for "
                f"{spec.n_channels}; prepare the corpus with the features it was trained on"
            )

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device
