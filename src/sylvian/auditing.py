"""The error analyses of a decoded split: numbers, figures and the plotted numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sylvian.decode.combine import rerank, with_llm
from sylvian.decoding import Decodes, in_use, read_decodes
from sylvian.errors import DataError
from sylvian.evaluate.analysis import DecodedTrial, ErrorAnalysis, analyse_errors
from sylvian.evaluate.files import write_json
from sylvian.evaluate.protocol import Protocol
from sylvian.figures.error_sheets import error_figures
from sylvian.figures.style import encoder_colour, save
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import Lexicon
from sylvian.types import NBest, TrialKey

FORMAT = 1
LOOKED_UP, NGRAM = "looked up", "n-gram"


@dataclass(frozen=True, slots=True)
class ErrorsResult:
    """Error analyses on disk.

    Attributes:
        run: The run folder.
        split: The split.
        out: Folder of `errors.json` and the figures.
        system: The decoder whose words were analysed.
        n_trials: Sentences looked at.
        pairs: The five most confused pairs of phonemes.
        figures: Names of the figures, each as PDF, PNG and CSV.
    """

    run: str
    split: str
    out: str
    system: str
    n_trials: int
    pairs: tuple[str, ...]
    figures: tuple[str, ...]

    def text(self) -> str:
        """Say it in two lines."""
        pairs = ", ".join(self.pairs) or "none"
        return (
            f"{self.out}: {len(self.figures)} figures of {self.n_trials} sentences of {self.split} "
            f"({self.system})\nmost confused: {pairs}"
        )


def audit_errors(run: RunFolder, split: str, out: Path) -> ErrorsResult:
    """Analyse the errors of a decoded split; the protocol notes that it was looked at.

    Args:
        run: A run whose split was decoded.
        split: A split with labels.
        out: Folder to write to.

    Raises:
        DataError: the split was not decoded, its labels are withheld, or it has fewer than
            `LEAST_TRIALS` sentences.
    """
    job = Job.open(run, split)
    trials = list(_trials(job, read_decodes(job)))
    analysis = analyse_errors(
        trials, lexicon=Lexicon.cmudict(), training_sentences=job.seen_sentences
    )
    figures = error_figures(analysis, colour=encoder_colour(job.recipe.encoder.kind))
    for name, figure in figures.items():
        save(figure, out / f"{name}.pdf")
    write_json(out / "errors.json", {"format": FORMAT, "split": split} | analysis.to_json())
    Protocol.open(run.path).opened(split, [info.key for info in job.infos])
    return ErrorsResult(
        run=str(run.path),
        split=split,
        out=str(out),
        system=analysis.system,
        n_trials=analysis.n_trials,
        pairs=tuple(_told(analysis)),
        figures=tuple(figures),
    )


def _told(analysis: ErrorAnalysis, n: int = 5) -> Iterator[str]:
    for pair in analysis.pairs[:n]:
        if pair.count:
            yield f"{pair.name} {100 * pair.share.value:.1f} %"


def _trials(job: Job, decodes: Decodes) -> Iterator[DecodedTrial]:
    stages = _stages(job, decodes)
    for info in job.infos:
        if info.sentence is None:
            raise DataError(f"{info.key}: its label is withheld; analyse a split that has labels")
        found = (decodes.nbest or {}).get(info.key)
        yield DecodedTrial(
            session=info.key.session_path,
            prompt_set=info.prompt_set,
            sentence=info.sentence,
            phonemes=info.phonemes,
            tokens=decodes.greedy[info.key].best.tokens,
            systems={name: lists[info.key].best.text for name, lists in stages.items()},
            candidates=tuple(h.text for h in found.hypotheses) if found else (),
            strategy=info.strategy.value,
        )


def _stages(job: Job, decodes: Decodes) -> dict[str, dict[TrialKey, NBest]]:
    """Name the decoders from the plainest on: no language model, n-gram or end to end, rescored."""
    stages = {LOOKED_UP: decodes.greedy}
    if decodes.nbest is None:
        return stages
    setting = in_use(job, job.run.read_optional(f"{job.split}/decode.json") or {})
    whole = decodes.decoder.replace("ngram", NGRAM)
    if not any(one.best.scores.llm is not None for one in decodes.nbest.values()):
        return stages | {whole: decodes.nbest}
    first = {
        key: rerank(with_llm(one, None), setting.decode, generated=setting.generated)
        for key, one in decodes.nbest.items()
    }
    return stages | {whole.rpartition(" + ")[0]: first, whole: decodes.nbest}
