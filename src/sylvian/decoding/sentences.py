"""A split's sentences from an end-to-end run: generated, and weighed with the cascade's if asked.

Both systems share one encoder: its phoneme head says how likely each candidate's sounds are, the
language model behind it how likely the candidate is as a whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sylvian.decoding.searching import Searched, search
from sylvian.decoding.setting import Setting, open_graph, open_lexicon, open_ngram
from sylvian.jobs import Job, batches
from sylvian.text import counted
from sylvian.types import Logits, NBest, Progress

if TYPE_CHECKING:
    from sylvian.models.batch import Batch
    from sylvian.models.speechllm import SpeechLlm
    from sylvian.models.word_constraint import WordConstraint

Score = Callable[[Sequence[str]], Mapping[str, float | None]]


def speak(job: Job, logits: Sequence[Logits], setting: Setting, progress: Progress) -> Searched:
    """Generate sentences for a split of an end-to-end run, free-running.

    `setting.end_to_end.joint` says what else is asked: nothing (`alone`); the phoneme head (`ctc`);
    or head, n-gram and the first pass' own candidates (`cascade`).

    Args:
        job: The split.
        logits: What the run's phoneme head said about it.
        setting: Weights, n-gram, and how sentences are generated.
        progress: Told how many trials are done.

    Raises:
        ConfigError, CheckpointError: the language model cannot be opened, or is another one.
        DecodeError: a model answers with NaN, or the n-gram is unusable.
    """
    import torch

    from sylvian.models.opening import check_backbone
    from sylvian.speakers import open_speaker

    spoken = setting.end_to_end
    assert spoken is not None  # asked of end-to-end runs alone
    check_backbone(spoken.llm)  # before the first pass, which may take long
    cascade = search(job, logits, setting, progress)  # greedy phonemes; and n-bests with an n-gram
    speaker = open_speaker(job.run, spoken.llm)
    speaker.to("cuda" if torch.cuda.is_available() else "cpu")
    join = _joining(job, setting, cascade, logits)
    held = spoken.words == "lexicon" or setting.decode.word_set is not None
    words = _words(job, setting, speaker) if held else None
    found: dict[str, NBest] = {}
    began = time.perf_counter()
    unread: Counter[str] = Counter()
    for batch in batches(job, speaker.encoder):
        for own, score in _generated(job, speaker, batch, spoken.generate, words, unread):
            found[str(own.key)] = own if join is None else join(own, score)
        progress(f"speak {job.split}", len(found), len(job.infos), job.run.path.name)
    seconds = cascade.seconds + time.perf_counter() - began
    ordered = [found[str(info.key)] for info in job.infos]
    warnings = (*cascade.warnings, *_too_long(speaker, unread))
    return Searched(cascade.greedy, ordered, seconds, warnings, _facts(speaker))


def _facts(speaker: SpeechLlm) -> dict[str, Any]:
    """Say which language model speaks, and how much memory its weights take here."""
    held = sum(p.numel() * p.element_size() for p in speaker.llm.parameters())
    return {"fingerprint": speaker.llm.identity.fingerprint, "weight_bytes": held}


def _generated(
    job: Job,
    speaker: SpeechLlm,
    batch: Batch,
    config: Any,
    words: WordConstraint | None,
    unread: Counter[str],
) -> Iterator[tuple[NBest, Score]]:
    """Give each trial's candidates, and whom to ask about other ones; count what is too long."""
    from sylvian.models.generation import generate, score_sentences

    device = next(speaker.parameters()).device
    there = batch.to(device)
    with job.precision(device.type):
        made = generate(speaker, there, config, words=words)
    for row, own in enumerate(made):

        def score(texts: Sequence[str], row: int = row) -> Mapping[str, float | None]:
            with job.precision(device.type):
                nats = score_sentences(speaker, there.only([row]), [texts])[0]
            if n_long := nats.count(None):
                unread[str(there.keys[row])] += n_long
            return dict(zip(texts, nats, strict=True))

        yield own.nbest(), score


def _too_long(speaker: SpeechLlm, unread: Counter[str]) -> Iterator[str]:
    if unread:
        yield (
            f"{counted(unread.total(), 'candidate')} of {counted(len(unread), 'trial')} "
            f"(such as {min(unread)}) left out of the joint lists: longer than the "
            f"{speaker.llm.most_places} places of {speaker.llm.identity.architecture}"
        )


def _words(job: Job, setting: Setting, speaker: SpeechLlm) -> WordConstraint:
    """Hold generation to the n-gram's words where there is one, or else to the lexicon's."""
    from sylvian.models.word_constraint import WordConstraint

    graph = open_graph(setting, job.graphs)
    known = open_lexicon(setting).words if graph is None else graph.words
    return WordConstraint(speaker.prompt, known)


def _joining(
    job: Job, setting: Setting, cascade: Searched, logits: Sequence[Logits]
) -> Callable[[NBest, Score], NBest] | None:
    """Prepare the joint list of a trial; None where the sentences generated stand alone."""
    from sylvian.decode.ctcscore import CtcScorer
    from sylvian.decode.joint import join

    if setting.end_to_end is None or setting.end_to_end.joint == "alone":
        return None
    ngram = open_ngram(setting)
    lexicon = open_lexicon(setting)
    ctc = CtcScorer(lexicon, config=setting.decode)
    heard = {str(one.key): one for one in logits}
    first = {str(one.key): one for one in cascade.nbest or ()}

    def joined(generated: NBest, score: Score) -> NBest:
        key = str(generated.key)
        return join(
            first.get(key, generated),
            generated,
            heard[key],
            ctc=ctc,
            ngram=ngram,
            end_to_end=score,
        )

    return joined
