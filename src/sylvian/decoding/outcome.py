"""What decoding a split left behind, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sylvian.decode.config import WEIGHTS
from sylvian.decoding.basis import file_digests
from sylvian.decoding.searching import Searched
from sylvian.decoding.setting import Rescorer, Setting, in_use_by
from sylvian.errors import DataError
from sylvian.evaluate import ScoreReport, TrialResult, score_trial, score_trials
from sylvian.jobs import Job
from sylvian.outcomes import DecodeResult
from sylvian.text import is_cue, normalize_sentence
from sylvian.text.wordsets import word_set
from sylvian.types import NBest, TrialKey


def write_decodes(
    job: Job, setting: Setting, found: Searched, *, seconds_encoder: float
) -> DecodeResult:
    """Leave the split's hypotheses in place of earlier ones, and what they were made with."""
    from sylvian.decode.io import write_nbest

    greedy, nbest = job.folder / "greedy.jsonl", job.folder / "nbest.jsonl"
    nbest.unlink(missing_ok=True)
    write_nbest(greedy, found.greedy)
    if found.nbest is not None:
        write_nbest(nbest, found.nbest)
    result = DecodeResult(
        run=str(job.run.path),
        split=job.split,
        n_trials=len(job.infos),
        greedy=str(greedy),
        nbest=str(nbest) if found.nbest is not None else None,
        lm=str(setting.lm) if setting.lm else None,
        seconds_encoder=seconds_encoder,
        seconds_search=found.seconds,
        recorded_seconds=sum(info.n_bins * info.bin_s for info in job.infos),
        warnings=(
            *found.warnings,
            *_outside(job, setting),
            *(() if found.nbest is None else _left_aside(job, setting)),
        ),
    )
    told = replace(setting, llm=None).to_json() | file_digests(setting)
    told |= {"speaker": found.speaker} if found.speaker else {}
    job.run.write(f"{job.split}/decode.json", told | {"result": asdict(result)})
    return result


@dataclass(frozen=True)
class Decodes:
    """A split's hypotheses as the verbs after `decode` find them.

    Attributes:
        greedy: Without a language model.
        nbest: Of the n-gram, best first; None where there was none.
        decoder: `greedy`; `ngram`; `end-to-end`, with `+ ctc` or `+ cascade` where those were
            asked, too; and `+ NAME` after a second pass.
        notes: What to keep in mind about how they were decoded.
    """

    greedy: dict[TrialKey, NBest]
    nbest: dict[TrialKey, NBest] | None
    decoder: str = "greedy"
    notes: tuple[str, ...] = ()


def read_decodes(job: Job) -> Decodes:
    """Read a split's decodes; n-bests in the order of the weights the run was tuned to.

    A list that an end-to-end model generated alone keeps the order of its search, as far as
    `combine.rerank` says.

    Raises:
        DataError: the split was not decoded, or its trials are not those of the decodes.
    """
    from sylvian.decode.combine import rerank
    from sylvian.decode.io import read_nbest

    made = job.run.read_optional(f"{job.split}/decode.json")
    if made is None:
        raise DataError(
            f"{job.folder}: not decoded; run 'sylvian decode {job.run.path} --split {job.split}'"
        )
    greedy = {nbest.key: nbest for nbest in read_nbest(job.folder / "greedy.jsonl")}
    _same_trials(job, greedy)
    path = job.folder / "nbest.jsonl"
    notes = (*_zero_shot(job), *job.learnt.unknown, *_outside(job, Setting.from_json(made)))
    if not path.is_file():
        return Decodes(greedy, None, notes=notes)
    own, setting = Setting.from_json(made), in_use(job, made)
    nbest = {
        one.key: rerank(one, setting.decode, generated=own.generated) for one in read_nbest(path)
    }
    _same_trials(job, nbest)
    notes = (*notes, *_left_aside(job, own), *_by_hand(job, own, setting))
    notes = (*notes, *_mismatches(job, setting.llm, own.llm))
    return Decodes(greedy, nbest, _named(own), notes)


def _by_hand(job: Job, made: Setting, used: Setting) -> Iterator[str]:
    """Say which weights that were asked for at `decode` gave way to tuned ones."""
    usual = job.recipe.decode
    asked = {
        name: value
        for name in WEIGHTS
        if (value := getattr(made.decode, name))
        not in (getattr(used.decode, name), getattr(usual, name))
    }
    if asked:
        told = ", ".join(f"{name}={value:g}" for name, value in asked.items())
        yield (
            f"{job.split} was decoded with {told}, and is ranked by the weights in "
            f"{job.run.path / 'decoder.json'}; take that file away to rank by what was asked for"
        )


def _zero_shot(job: Job) -> Iterator[str]:
    if job.zero_shot:
        yield (
            f"Zero-shot: the model learnt no label of {' or '.join(job.zero_shot)} speech; a "
            "recording day without layers of its own borrows those of the nearest day."
        )


def _outside(job: Job, setting: Setting) -> Iterator[str]:
    """Say, prompt set by prompt set, which sentences no decoder held to a word set can write."""
    name = setting.decode.word_set
    if name is None:
        return
    known = set(word_set(name))
    groups: dict[str, list[list[str]]] = {}
    for info in job.infos:
        if info.sentence and not is_cue(info.sentence):
            words = normalize_sentence(info.sentence).split()
            odd = [word for word in words if word not in known]
            groups.setdefault(info.prompt_set or "no prompt set", []).append(odd)
    for group, found in groups.items():
        if n := sum(map(bool, found)):
            some = ", ".join(list(dict.fromkeys(word for odd in found for word in odd))[:3])
            yield (
                f"{group}: {n} of {len(found)} sentences have words outside word_set={name} "
                f"(such as {some}), which cannot be decoded; --set word_set=none decodes any word"
            )


def _named(made: Setting) -> str:
    parts = ["ngram"]
    if made.end_to_end is not None:
        joint = made.end_to_end.joint
        parts = ["end-to-end", *([] if joint == "alone" else [joint])]
    return " + ".join([*parts, *([Path(made.llm.name).name] if made.llm else [])])


def in_use(job: Job, made: dict[str, Any]) -> Setting:
    """Give the weights that rank a split's lists: the tuned ones, if they are for such lists."""
    return in_use_by(job.run, Setting.from_json(made))


def _left_aside(job: Job, setting: Setting) -> Iterator[str]:
    """Say where weights were tuned on other lists than the split's."""
    tuned = job.run.read_optional("decoder.json")
    if tuned is None or (known := Setting.from_json(tuned)).lists == setting.lists:
        return
    yield (
        f"the tuned weights are for lists {_made_by(known)} and are left aside: {job.split} has "
        f"lists {_made_by(setting)}; decode val so and run 'sylvian tune {job.run.path}' for "
        "weights of these"
    )


def _made_by(setting: Setting) -> str:
    joint, lm = setting.lists
    asked = [f"of joint={joint}"] if joint else []
    return " ".join([*asked, *([f"with the n-gram {lm}"] if lm else [])]) or "without an n-gram"


def _mismatches(job: Job, tuned: Rescorer | None, used: Rescorer | None) -> Iterator[str]:
    """Say where the weights were tuned with another second pass than the lists had."""
    if tuned == used:
        return
    with_tuned, with_used = (f"with {one.name}" if one else "without" for one in (tuned, used))
    yield (
        f"weights tuned {with_tuned} rescoring, {job.split} decoded {with_used}; run 'sylvian "
        f"{'tune' if tuned is None else 'rescore'} {job.run.path}' first"
    )


def _same_trials(job: Job, found: Mapping[TrialKey, NBest]) -> None:
    differing = found.keys() ^ {info.key for info in job.infos}
    if differing:
        raise DataError(
            f"{min(differing)}: the decodes in {job.folder} are of other trials than the split "
            f"has now; run 'sylvian decode {job.run.path} --split {job.split}' again"
        )


def compare(
    job: Job, greedy: Mapping[TrialKey, NBest], words: Mapping[TrialKey, NBest] | None = None
) -> list[TrialResult]:
    """Hold every trial against its labels: phonemes of `greedy`, words of `words` or else of both.

    Raises:
        DataError: a trial has no labels.
    """
    words = words or greedy
    return [
        score_trial(info, text=words[info.key].best.text, tokens=greedy[info.key].best.tokens)
        for info in job.infos
    ]


def rate(job: Job, decodes: Decodes) -> tuple[ScoreReport, ScoreReport]:
    """Give the error rates of a split's decodes: with the n-gram where there is one, and without.

    Raises:
        DataError: the labels are withheld.
    """

    def scored(results: list[TrialResult]) -> ScoreReport:
        sentences = job.seen_sentences
        return score_trials(results, training_sentences=sentences, zero_shot=job.zero_shot)

    plain = scored(compare(job, decodes.greedy))
    if decodes.nbest is None:
        return plain, plain
    return scored(compare(job, decodes.greedy, decodes.nbest)), plain
