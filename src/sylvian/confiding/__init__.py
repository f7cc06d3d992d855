"""How sure a run is of its sentences and words: fitted on val, used elsewhere, and when to abstain.

`confidence.json` in the run folder holds the fitted maps, what the lists they are for were made
with, and the threshold below which a sentence is withheld.
"""

from sylvian.confiding.abstaining import AbstainResult, abstain
from sylvian.confiding.calibrating import CalibrateResult, calibrate
from sylvian.confiding.learnt import Confidence, learnt_confidence
from sylvian.confiding.lists import Origin

__all__ = [
    "AbstainResult",
    "CalibrateResult",
    "Confidence",
    "Origin",
    "abstain",
    "calibrate",
    "learnt_confidence",
]
