"""Error matrices of one system from its run folders."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sylvian.comparing.reading import Column, Decoded
from sylvian.comparing.systems import systems_in
from sylvian.comparing.wording import described
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import count_confusions
from sylvian.evaluate.word_errors import count_word_errors
from sylvian.figures.composed import phoneme_figure, word_figure
from sylvian.figures.footnotes import blank_figure

Drawn = tuple[Figure, tuple[str, ...]]


def draw_phonemes(found: Sequence[Decoded], columns: Sequence[Column]) -> Drawn:
    """Draw the phoneme error matrix of one system, all its seeds together.

    Args:
        found: Runs of one system.
        columns: Whose trials.

    Returns:
        The figure and what has to be read with it; without an error a figure that says so.

    Raises:
        ConfigError: the runs are of several systems.
        DataError: no phoneme is known, or the runs are of different trials or phonemes.
    """
    name = _one_system(found, columns, "figure6")
    said = [
        (result.info.phonemes, one.decodes.greedy[result.info.key].best.tokens)
        for one in found
        for column in columns
        for result in one.columns.get(column, ())
        if result.info.phonemes
    ]
    if not said:
        raise DataError(f"{found[0].path}: the phonemes of no trial are known")
    counted = count_confusions(said)
    who = _who(name, found, columns)
    if not counted.errors.any():
        return blank_figure(f"No phoneme error in {len(said)} decoded trials of {who}."), ()
    note = (
        f"{who}; {len(said):,} decoded trials. Colour: percent of the true phoneme's occurrences, "
        "matches (grey dots) left out, phonemes with most errors first. Bottom row: deletions; "
        "right column: insertions, per occurrence of the inserted phoneme. Counts of aligned "
        "phonemes carry no interval."
    )
    return phoneme_figure(counted), (note,)


def draw_words(found: Sequence[Decoded], columns: Sequence[Column]) -> Drawn:
    """Draw the word error matrix of one run, whole and without what happened once.

    Args:
        found: One run.
        columns: Whose trials.

    Raises:
        ConfigError: several runs were given.
        DataError: no sentence is known.
    """
    if len(found) > 1:
        raise ConfigError(
            f"figure7: {len(found)} runs; give one, or a mistake that two seeds make in one trial "
            "would count as seen twice"
        )
    name = _one_system(found, columns, "figure7")
    results = [result for column in columns for result in found[0].columns.get(column, ())]
    sentences = [(one.reference, one.hypothesis) for one in results if one.wer_counts is not None]
    if not sentences:
        raise DataError(f"{found[0].path}: the sentence of no trial is known")
    counted = count_word_errors(sentences)
    who = f"{_who(name, found, columns)}, words by {described(found[0].wording)}"
    if not counted.pairs:
        dropped = sum(counted.deletions.values()) + sum(counted.insertions.values())
        told = f"No word was taken for another in {len(sentences)} sentences of {who}"
        return blank_figure(f"{told}; {dropped} were left out or put in."), ()
    note = (
        f"{who}; {len(sentences):,} sentences, {counted.n_words:,} words. A dot is a pair, "
        "larger where it happened more often; both axes in alphabetical order, so that words spelt "
        f"alike lie near the line. Not shown: {sum(counted.deletions.values()):,} words left out, "
        f"{sum(counted.insertions.values()):,} put in. Counts carry no interval."
    )
    return word_figure(counted), (note,)


def _one_system(found: Sequence[Decoded], columns: Sequence[Column], figure: str) -> str:
    """Name the system that all runs are of."""
    names = dict.fromkeys(name for own in columns for name in systems_in(found, own))
    if len(names) > 1:
        raise ConfigError(
            f"{figure}: of one system, but these runs are of {', '.join(names)}; draw them apart"
        )
    return next(iter(names))


def _who(name: str, found: Sequence[Decoded], columns: Sequence[Column]) -> str:
    people = dict.fromkeys(column.participant for column in columns)
    speeches = dict.fromkeys(column.speech for column in columns)
    seeds = sorted({one.seed for one in found})
    trained = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    said = f"{' and '.join(people)}, {' and '.join(speeches)} speech, {found[0].job.split}"
    return f"{name} ({trained}): {said}"
