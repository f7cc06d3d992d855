"""Reader of the Brain-to-Text '24 layout (Willett et al. 2023): a MATLAB file per split and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.labels import spoken_phonemes
from sylvian.data.corpora.matlab import Features, area_features, block_numbers, char_rows
from sylvian.data.corpora.reading import dated, no_sessions
from sylvian.data.corpora.willett2023_facts import WILLETT2023
from sylvian.errors import DataError
from sylvian.text import Lexicon
from sylvian.types import Trial, TrialInfo, TrialKey

_FOLDERS = {"train": "train", "test": "test", "holdout": "competitionHoldOut"}
_UNLABELLED = "holdout"


class Willett2023:
    """The release of participant T12, or anything else written in the same layout.

    `competitionData/{train,test,competitionHoldOut}/t12.YYYY.MM.DD.mat` holds a day's trials of one
    split. Features are the first half of the columns of `tx1` and of `spikePow`, side by side: area
    6v. The release has no trial numbers: they count the trials of a block in file order. It has no
    phonemes either: they come from the sentence through the lexicon, `SIL` closing each word; a cue
    (`[DO NOTHING]`) has none. The competition files' sentences are placeholders and are not read.

    Args:
        raw: Folder that contains `competitionData`, or that folder itself.
        facts: What to expect; another release of the same layout brings its own, and its
            participants' names in lower case are the file prefixes.
        lexicon: Pronunciations; CMUdict if None.

    Source: neural_seq_decoder, `formatCompetitionData`, and the release's read-me.

    Why here: the BIT code deletes hyphens from labels, the benchmark keeps them when it scores. We
    take the benchmark's normaliser for both, and the lexicon says a hyphenated word's parts.
    """

    def __init__(
        self, raw: Path, *, facts: CorpusFacts = WILLETT2023, lexicon: Lexicon | None = None
    ) -> None:
        self.facts = facts
        self._raw = Path(raw)
        inner = self._raw / "competitionData"
        self._folder = inner if inner.is_dir() else self._raw
        self._given = lexicon

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(self._raw, self.facts, "competitionData/*/t12.YYYY.MM.DD.mat file")
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session; the file of one split is in memory at a time.

        Raises:
            DataError: a file is damaged, or lacks what the layout promises.
        """
        counted: Counter[int] = Counter()
        n_channels = self.facts.participants[session.participant].n_channels or 0
        for split, path in session.paths.items():
            features = area_features(path, ("tx1", "spikePow"), n_channels // 2)
            if not features:
                raise DataError(f"{path}: holds no trial; download it again")
            blocks = block_numbers(path, len(features))
            sentences = self._sentences(path, split, len(features))
            for block, matrix, sentence in zip(blocks, features, sentences, strict=True):
                yield self._trial(session, split, (block, counted[block]), matrix, sentence)
                counted[block] += 1

    @property
    def _lexicon(self) -> Lexicon:
        return Lexicon.cmudict() if self._given is None else self._given

    def _of(self, participant: str) -> Iterator[SessionRef]:
        found: dict[str, dict[str, Path]] = {}
        for split, folder in _FOLDERS.items():
            files = {path.stem: path for path in (self._folder / folder).glob("*.mat")}
            for session, stem in dated(files, participant.lower()).items():
                found.setdefault(session, {})[split] = files[stem]
        context = self._lexicon.digest if found else ""
        for session in sorted(found):
            yield SessionRef(participant, session, found[session], context)

    def _sentences(self, path: Path, split: str, n_trials: int) -> Sequence[str | None]:
        if split == _UNLABELLED:
            return [None] * n_trials
        rows = char_rows(path, "sentenceText")
        if len(rows) != n_trials:
            raise DataError(
                f"{path}: {len(rows)} sentences for {n_trials} trials; download it again"
            )
        return rows

    def _trial(
        self,
        session: SessionRef,
        split: str,
        place: tuple[int, int],
        features: Features,
        sentence: str | None,
    ) -> Trial:
        info = TrialInfo(
            TrialKey(self.facts.name, session.participant, session.session, *place),
            split,
            len(features),
            bin_s=self.facts.bin_s,
            sentence=sentence,
            phonemes=spoken_phonemes(sentence, self._lexicon),
            strategy=self.facts.participants[session.participant].strategies[0],
        )
        return Trial(info, features)
