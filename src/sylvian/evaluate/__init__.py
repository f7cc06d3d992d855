"""Hypotheses against the truth: counts, rates, intervals, and the record of what was looked at."""

from sylvian.evaluate.confusion import Confusions, count_confusions
from sylvian.evaluate.intervals import Difference, bootstrap_rate, paired_bootstrap
from sylvian.evaluate.protocol import Protocol
from sylvian.evaluate.rates import Edit, align, char_edits, count_edits, word_edits
from sylvian.evaluate.report import ScoreReport
from sylvian.evaluate.score import TrialResult, score_trial, score_trials
from sylvian.evaluate.seeds import bootstrap_seeds, paired_bootstrap_seeds, seeds_rate
from sylvian.evaluate.table import report_rows, report_table

__all__ = [
    "Confusions",
    "Difference",
    "Edit",
    "Protocol",
    "ScoreReport",
    "TrialResult",
    "align",
    "bootstrap_rate",
    "bootstrap_seeds",
    "char_edits",
    "count_confusions",
    "count_edits",
    "paired_bootstrap",
    "paired_bootstrap_seeds",
    "report_rows",
    "report_table",
    "score_trial",
    "score_trials",
    "seeds_rate",
    "word_edits",
]
