"""Recipes beside each other: the paper's tables on whatever is prepared, and probes of a trunk.

A study trains every row for every participant with several seeds, decodes greedily, and compares
phoneme error rates on the same trials: intervals are over seeds and trials together, differences
are paired. Everything trained is an ordinary run; a study that is repeated finds what is done.
"""

from sylvian.studies.lines import STUDIES, Line, Study
from sylvian.studies.outcome import StudyResult, StudyRow
from sylvian.studies.running import probe, run_study

__all__ = ["STUDIES", "Line", "Study", "StudyResult", "StudyRow", "probe", "run_study"]
