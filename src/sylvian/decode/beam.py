"""The first pass: a beam search of logits over a decoding graph, whole trials or live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from sylvian.decode import search
from sylvian.decode.arpa import ArpaModel
from sylvian.decode.config import PRESETS, DecodeConfig
from sylvian.decode.enlarge import enlarge
from sylvian.decode.graph import DecodingGraph
from sylvian.decode.greedy import normalize_frames
from sylvian.decode.larger import LargerLm
from sylvian.decode.readout import Stretch, read_out
from sylvian.decode.tokens import Links, Map, Settings, Tokens
from sylvian.errors import DecodeError
from sylvian.text import Vocabulary
from sylvian.types import Logits, NBest, TrialKey

__all__ = ["PRESETS", "BeamState", "DecodeConfig", "FirstPass"]

LIVE = TrialKey("live", "-", "-", 0, 0)


@dataclass(frozen=True, slots=True)
class BeamState:
    """A search under way; never changed, so that it can be kept and continued twice.

    Attributes:
        key: Trial that is searched.
        n_frames: Frames consumed.
        n_tokens: Tokens made.
    """

    key: TrialKey
    n_frames: int
    n_tokens: int
    active: Tokens
    reach: float
    stretches: tuple[Stretch, ...]


class FirstPass:
    """Search a decoding graph by `start`, `advance`, `finish`; `decode` is these three.

    Token passing over the graph with the corrected CTC topology, Viterbi scores, Kaldi's pruning
    (beam, `max_active`, `min_active`), and an n-best list of distinct word sequences out of the
    lattice with acoustic and graph scores apart. Cutting the logits into other chunks gives the
    same bits.

    Source: paper.md section 5.2, formulas 1 and 2.

    Why here: kaldi-decoder 0.3 has no `max_active` where it makes lattices, no live search there,
    and no way from a lattice to distinct word sequences.
    """

    def __init__(
        self,
        graph: DecodingGraph,
        config: DecodeConfig | None = None,
        *,
        larger: ArpaModel | None = None,
    ) -> None:
        """Prepare a search.

        Args:
            graph: What can be said.
            config: Weights and bounds; the Brain-to-Text '25 README's by default.
            larger: An n-gram too large to search with. It reads the lattice: its scores take the
                place of the graph's n-gram's (paper.md section 5.2, formula 3).

        Raises:
            DecodeError: the larger n-gram lacks words of the graph.
        """
        self.graph = graph
        self.config = config or DecodeConfig()
        self._settings = Settings(
            beam=self.config.beam,
            lattice_beam=self.config.lattice_beam,
            max_active=self.config.max_active,
            min_active=self.config.min_active,
            lm_weight=self.config.lm_weight,
            word_bonus=self.config.word_bonus,
        )
        self._map = _map(graph, self.config)
        self._larger = LargerLm.join(larger, graph.words) if larger else None

    def start(self, key: TrialKey = LIVE) -> BeamState:
        """Begin a trial."""
        nothing = Tokens(np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0))
        empty = BeamState(key, 0, 0, nothing, self.config.beam, ())
        return self._run(empty, np.zeros((0, len(self.graph.vocabulary))))

    def advance(self, state: BeamState, logits: Float[np.ndarray, "frames tokens"]) -> BeamState:
        """Consume some frames.

        Args:
            state: Where the search is; it stays valid.
            logits: Unnormalised log scores, columns as in the graph's vocabulary.

        Raises:
            DecodeError: another number of columns, or a NaN or infinite logit.
        """
        log_p = self._log_likelihoods(state, logits)
        return self._run(state, log_p) if len(log_p) else state

    def _run(self, state: BeamState, log_p: Float64[np.ndarray, "frames tokens"]) -> BeamState:
        costs = np.ascontiguousarray(-self.config.acoustic_scale * log_p)
        tape, first, n_links, reach = search.advance(
            self._map, self._settings, state.active, costs, state.reach
        )
        known, end, last = len(state.active.state), int(first[-1]), int(first[-2])
        offset = state.n_tokens - known
        stretch = Stretch(
            log_p,
            np.diff(first),
            Tokens(*(column[known:end].copy() for column in tape[:3])),
            Links(
                tape.source[:n_links] + np.int32(offset),
                tape.target[:n_links] + np.int32(offset),
                tape.arc[:n_links].copy(),
                tape.link_cost[:n_links].copy(),
            ),
        )
        return BeamState(
            state.key,
            state.n_frames + len(log_p),
            offset + end,
            Tokens(*(column[last:end].copy() for column in tape[:3])),
            reach,
            (*state.stretches, stretch),
        )

    def finish(self, state: BeamState) -> NBest:
        """End the trial and list its hypotheses, best total score first.

        Where no surviving token can end a sentence, the best unfinished ones are listed, without
        the cost of an end, so that there is always at least one hypothesis.
        """
        found = read_out(self.graph, self.config, state.key, state.stretches, self._larger)
        return (
            enlarge(found, self.config, top=self.config.enlarge) if self.config.enlarge else found
        )

    def decode(self, logits: Logits) -> NBest:
        """Decode one trial.

        Raises:
            DecodeError: the vocabulary lacks a token of the graph's, or a logit is not finite.
        """
        values = logits.values[:, _columns(logits, self.graph.vocabulary)]
        return self.finish(self.advance(self.start(logits.key), values))

    def _log_likelihoods(
        self, state: BeamState, logits: Float[np.ndarray, "frames tokens"]
    ) -> Float64[np.ndarray, "frames tokens"]:
        """Formula 1: log-softmax, blank penalty taken off."""
        if logits.shape[1] != len(self.graph.vocabulary):
            raise DecodeError(
                f"{state.key}: logits have {logits.shape[1]} columns, the graph was built for "
                f"{len(self.graph.vocabulary)} tokens; build it with the head's vocabulary"
            )
        if not np.isfinite(logits).all():
            frame = state.n_frames + int(np.argwhere(~np.isfinite(logits))[0, 0])
            raise DecodeError(f"{state.key}: frame {frame} has a NaN or infinite logit")
        log_p = normalize_frames(logits.astype(np.float64))
        log_p[:, 0] -= self.config.blank_penalty
        return log_p


def _map(graph: DecodingGraph, config: DecodeConfig) -> Map:
    arrays = graph.arrays
    costs = arrays.arcs.view(np.float32)
    lowest = config.lm_weight * float(costs[:, 1].min(initial=0.0))
    return Map(
        first=arrays.first,
        arcs=arrays.arcs,
        costs=costs,
        free_target=arrays.free_target,
        free_cost=arrays.free_cost,
        rank=arrays.rank,
        floor=min(0.0, lowest) - max(0.0, config.word_bonus),
    )


def _columns(logits: Logits, vocabulary: Vocabulary) -> list[int] | slice:
    if logits.vocabulary.tokens == vocabulary.tokens:
        return slice(None)
    missing = set(vocabulary.tokens) - set(logits.vocabulary.tokens)
    if missing:
        raise DecodeError(
            f"{logits.key}: the logits have no column for {sorted(missing)[0]!r}; build the graph "
            "with the head's vocabulary"
        )
    return list(logits.vocabulary.encode(vocabulary.tokens))
