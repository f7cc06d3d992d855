"""What unlocks a gate beside its keyword: phrases that sound like it, said by the same participant.

    python benchmarks/keyword_impostors.py --run RUN --raw RAW --work DIR --json

`--run`: a run that 'sylvian gate learn' was run on, for the keyword "Chitty chitty bang bang";
`--raw`: the simulated corpus it was trained on. The same participant, with the same electrodes on
the same days, says each phrase 18 times a day between other prompts, in recordings that nothing was
learnt on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from sylvian import config
from sylvian.data import prepare
from sylvian.data.corpora import Synthetic
from sylvian.data.synthetic import KeywordConfig, ParticipantConfig, SyntheticConfig, simulate
from sylvian.decode.gate import KeywordSpotter
from sylvian.evaluate.detection import wilson
from sylvian.gating.hearing import Ears
from sylvian.gating.learnt import read_gate
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import Lexicon

PHRASES = (
    "Chitty chitty bang bang.",
    "Bang bang.",
    "Chitty bang bang.",
    "Chitty chitty bang.",
    "Please chitty chitty bang bang.",
    "Pretty city big bank.",
    "Kitty kitty bang bang.",
    "Chitty chitty gang gang.",
)


def recorded(corpus: SyntheticConfig, phrase: str, work: Path) -> Path:
    """Have the corpus' speaker say a phrase; gives the folder of prepared recordings."""
    if not (work / "data").is_dir():
        (who,) = (one for one in corpus.participants if isinstance(one, ParticipantConfig))
        changes: dict[str, Any] = {
            "train_trials": 1,
            "eval_trials": 60,
            "hidden_trials": 0,
            "keyword": KeywordConfig(phrase=phrase, share=0.3),
        }
        said = corpus.model_copy(update={"participants": (who.model_copy(update=changes),)})
        simulate(said, work / "raw")
        prepare(Synthetic(work / "raw"), work / "data", jobs=1)
    return work / "data"


def scores(run: RunFolder, spot: KeywordSpotter, phrase: str, data: Path) -> list[float]:
    """Score every recording of a phrase."""
    found = []
    for split in ("val", "test"):
        job = Job.open(run, split, data=data)
        ears = Ears.open(job)
        found += [spot(ears(info)) for info in job.infos if info.sentence == phrase]
    return found


def main() -> None:
    """Record, score, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="run folder with a gate.json")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the simulated corpus")
    parser.add_argument("--work", type=Path, required=True, help="folder for the recordings")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    arguments = parser.parse_args()
    told = json.loads((arguments.raw / "synthetic.json").read_text())
    corpus = config.load(SyntheticConfig, told["config"])
    run = RunFolder.open(arguments.run, Path())
    lexicon = Lexicon.cmudict()
    learnt = read_gate(run, lexicon)
    spot = KeywordSpotter(learnt.keyword, lexicon)
    numbers: dict[str, Any] = {"keyword": learnt.keyword, "threshold": learnt.threshold}
    for place, phrase in enumerate(PHRASES):
        data = recorded(corpus, phrase, arguments.work / str(place))
        found = np.array(scores(run, spot, phrase, data))
        unlocked = wilson(int((found >= (learnt.threshold or 0.0)).sum()), len(found))
        numbers[phrase] = unlocked._asdict() | {"n": len(found), "median": float(np.median(found))}
    print(json.dumps(numbers) if arguments.json else json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
