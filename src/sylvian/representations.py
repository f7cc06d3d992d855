"""What a run's encoder makes of its trials, layer by layer, ready for the analyses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int64

from sylvian.analyses import WordTokens, segment_vector
from sylvian.decode.alignment import align_tokens, word_spans
from sylvian.errors import ConfigError, DataError
from sylvian.jobs import BATCH, Job, divide
from sylvian.text import is_cue, normalize_sentence
from sylvian.types import Logits, Progress, Strategy, Trial, TrialInfo, silent

if TYPE_CHECKING:
    from sylvian.models.ctc import CtcModel
    from sylvian.runs import RunFolder

FEATURES = "features"
OUTPUT = "output"

Latents = Float[np.ndarray, "frames width"]


@dataclass(frozen=True, slots=True)
class Representations:
    """The trials of one split of one run, in one order.

    Attributes:
        name: Name of the run folder.
        encoder: Kind of encoder.
        infos: The trials.
        n_frames: Length of each trial in frames.
        layers: Name of the layer to one vector a trial: the means of equal segments, joined.
            `features` are what the encoder gets, averaged over each frame's bins.
        words: Name of the layer to the words as they were said; trials without labels have none.
        n_unaligned: Labelled trials whose words could not be found in time.
        borrowed: Sessions the encoder has no layers for; the nearest day's served them.
    """

    name: str
    encoder: str
    infos: tuple[TrialInfo, ...]
    n_frames: Int64[np.ndarray, " trials"]
    layers: Mapping[str, Float32[np.ndarray, "trials inputs"]]
    words: Mapping[str, WordTokens]
    n_unaligned: int
    borrowed: tuple[str, ...] = ()

    @property
    def strategies(self) -> tuple[str, ...]:
        """What was done, the most frequent first, but imagining last."""
        counts = Counter(info.strategy.value for info in self.infos)
        last = Strategy.IMAGINED.value
        return tuple(sorted(counts, key=lambda name: (name == last, -counts[name], name)))

    @property
    def tasks(self) -> tuple[str, str] | None:
        """The two tasks to compare: what was done most besides imagining, and imagining.

        None where imagined speech, or all else, was not recorded.
        """
        imagined = Strategy.IMAGINED.value
        done = self.strategies
        return (done[0], imagined) if len(done) > 1 and imagined in done else None


def every_strategy(
    run: RunFolder, split: str, *, participant: str | None = None, data: Path | None = None
) -> Job:
    """Open one participant's trials of a split, also of strategies the run was not trained on.

    Args:
        run: A finished run.
        split: Name of the split by the recipe's rule; `val/imagined`: its imagined trials alone.
        participant: Whose; None where the run has one participant only.
        data: Folder of prepared corpora; None for where the run was trained from.

    Raises:
        CheckpointError: training has not finished.
        ConfigError: the rule has no such split, it is empty, or there are several participants.
    """
    job = Job.open(run, split, data=data)
    infos = job.infos
    if "/" not in split:  # else it names the strategies itself
        infos = divide(job.recipe.model_copy(update={"strategies": None}), job.corpus)[split]
    there = sorted({info.key.participant for info in infos})
    who = participant or (there[0] if len(there) == 1 else "")
    if who not in there:
        raise ConfigError(
            f"{run.path}: participants {', '.join(there)} in split {split}; name one of them with "
            "--participant"
        )
    return replace(job, infos=tuple(info for info in infos if info.key.participant == who))


def represent(
    job: Job, *, n_segments: int = 10, words: bool = True, progress: Progress = silent
) -> Representations:
    """Run the best checkpoint over a split and keep every layer, pooled over time.

    Cues are left out. Words are found by aligning the known phonemes with the CTC head's logits; a
    word's vector is the mean over its frames.

    Args:
        job: The run and the trials; `every_strategy` opens also those it was not trained on.
        n_segments: Segments a trial is cut into.
        words: Whether words are aligned.
        progress: Told how far it is.

    Raises:
        DataError: no trial is left.
        ConfigError: the encoder has no layers for a session.
        CheckpointError: the checkpoint is missing or damaged.
    """
    from sylvian.models.speechllm_files import load_ctc

    infos = tuple(info for info in job.infos if not is_cue(info.sentence or ""))
    if not infos:
        raise DataError(f"{job.folder}: no trial but cues in split {job.split}")
    model = load_ctc(job.run.best)
    own = () if model.encoder.shares_layers else model.encoder.session_index
    paths = dict.fromkeys(info.key.session_path for info in infos)
    vectors: dict[str, dict[str, np.ndarray]] = {}
    said = _Words()
    n_frames: dict[str, int] = {}
    for trial, layers, logits in _encoded(model, replace(job, infos=infos), progress):
        key = str(trial.key)
        n_frames[key] = len(logits.values)
        for name, latents in layers.items():
            vectors.setdefault(name, {})[key] = segment_vector(latents, n_segments)
        if words:
            said.add(trial.info, layers, logits)
    keys = [str(info.key) for info in infos]
    return Representations(
        name=job.run.path.name,
        encoder=job.recipe.encoder.kind,
        infos=infos,
        n_frames=np.array([n_frames[key] for key in keys], dtype=np.int64),
        layers={name: np.stack([own[key] for key in keys]) for name, own in vectors.items()},
        words=said.tokens(),
        n_unaligned=said.n_unaligned,
        borrowed=tuple(path for path in paths if own and path not in own),
    )


def text_vectors(
    llm: str, texts: Sequence[str], *, layer: int = -1, progress: Progress = silent
) -> Float32[np.ndarray, "sentences width"]:
    """Embed sentences by a causal language model or an audio-LLM's text side.

    Args:
        llm: As for `sylvian rescore --llm`, or the folder of an audio-LLM.
        texts: Sentences, normalised.
        layer: Which hidden states; -1: the last.
        progress: Told how far it is.

    Raises:
        ConfigError, CheckpointError: the model cannot be found or opened, or has no such layer.
        DataError: a sentence is empty.
    """
    import torch

    from sylvian.models.opening import BackboneConfig, open_backbone
    from sylvian.models.sentence_vectors import sentence_vectors

    backbone, tokenizer = open_backbone(BackboneConfig(name=llm))
    backbone.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return sentence_vectors(backbone.causal, tokenizer, texts, layer=layer, progress=progress)


class _Words:
    """Words of all layers, collected trial by trial."""

    def __init__(self) -> None:
        self.n_unaligned = 0
        self._vectors: dict[str, list[np.ndarray]] = {}
        self._labels: list[tuple[str, str, str]] = []

    def add(self, info: TrialInfo, layers: Mapping[str, Latents], logits: Logits) -> None:
        """Align a trial's words; one that cannot be aligned is counted."""
        if info.phonemes is None or info.sentence is None:
            return
        words = normalize_sentence(info.sentence).split()
        aligned = align_tokens(logits, info.phonemes)
        spans = word_spans(info.phonemes, aligned.spans) if aligned else ()
        if not words or len(spans) != len(words):
            self.n_unaligned += 1
            return
        self._labels += [(word, info.strategy.value, str(info.key)) for word in words]
        for name, latents in layers.items():
            own = self._vectors.setdefault(name, [])
            own += [latents[start:stop].mean(axis=0) for start, stop in spans]

    def tokens(self) -> dict[str, WordTokens]:
        """Give the words of each layer; nothing where no trial was aligned."""
        if not self._labels:
            return {}
        words, tasks, trials = (tuple(one) for one in zip(*self._labels, strict=True))
        return {
            name: WordTokens(np.stack(own), words, tasks, trials)
            for name, own in self._vectors.items()
        }


def _encoded(
    model: CtcModel, job: Job, progress: Progress
) -> Iterator[tuple[Trial, dict[str, Latents], Logits]]:
    """Encode in batches of similar length, in the precision the model was chosen in.

    Layers are found for sessions the run was not trained on as closed-loop systems do: the nearest
    day's.
    """
    import torch

    from sylvian.models.batch import make_batch
    from sylvian.models.latents import layered
    from sylvian.models.sessions import locate

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    encoder = model.encoder
    paths = {info.key.session_path for info in job.infos}
    index = locate(encoder.sessions, paths, shared=encoder.shares_layers, unseen="nearest")
    bf16 = job.recipe.train.precision == "bf16"
    done = 0
    for chunk in _chunks(job.infos):
        trials = [job.corpus.read(info.key) for info in chunk]
        bare = [
            Trial(replace(one.info, sentence=None, phonemes=None), one.features) for one in trials
        ]
        batch = make_batch(bare, session_index=index, vocabulary=None).to(device)
        with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
            found = layered(model, batch)
        for trial, one in zip(trials, found, strict=True):
            n_frames = len(one.logits.values)
            layers = {FEATURES: _by_frame(trial.features, n_frames, encoder.frame_bins)}
            layers |= {name: latents.numpy() for name, latents in one.layers.items()}
            yield trial, layers, one.logits
        done += len(chunk)
        progress(f"layers of {job.split}", done, len(job.infos), job.run.path.name)


def _chunks(infos: Sequence[TrialInfo]) -> Iterator[list[TrialInfo]]:
    """Batch trials of one participant and similar length."""
    ordered = sorted(infos, key=lambda info: (info.key.participant, info.n_bins, info.key))
    start = 0
    while start < len(ordered):
        who = ordered[start].key.participant
        chunk = [one for one in ordered[start : start + BATCH] if one.key.participant == who]
        yield chunk
        start += len(chunk)


def _by_frame(
    features: Float[np.ndarray, "bins channels"], n_frames: int, frame_bins: int
) -> Float32[np.ndarray, "frames channels"]:
    """Average the bins that each frame stands for; those behind the last frame join it."""
    starts = np.arange(n_frames) * frame_bins
    sums = np.add.reduceat(features.astype(np.float64), starts, axis=0)
    counts = np.diff(np.append(starts, len(features)))[:, None]
    return np.asarray(sums / counts, dtype=np.float32)
