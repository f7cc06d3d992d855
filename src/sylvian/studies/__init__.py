"""Recipes beside each other: the paper's tables on whatever is prepared, and probes of a trunk.

A study trains every row for every participant with several seeds, decodes, and compares error
rates on the same trials: of phonemes, decoded greedily, or of words, free-running. Intervals are
over seeds and trials together, differences are paired. Everything trained is an ordinary run; a
study that is repeated finds what is done.
"""

from sylvian.studies.choosing import STUDIES
from sylvian.studies.lines import LanguageModels, Line, Study
from sylvian.studies.outcome import StudyResult, StudyRow
from sylvian.studies.running import probe, run_study

__all__ = [
    "STUDIES",
    "LanguageModels",
    "Line",
    "Study",
    "StudyResult",
    "StudyRow",
    "probe",
    "run_study",
]
