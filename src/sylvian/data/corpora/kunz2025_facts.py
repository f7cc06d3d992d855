"""What is published about the inner-speech release (participants T12, T15, T16 and T17)."""

from __future__ import annotations

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts
from sylvian.types import Strategy

# Columns of `binnedTX`, as the release's own analysis cuts them (Fig1EF); `spikePow` has as many.
_ARRAYS = {
    "T12": (("area 6v", 0, 128),),
    "T15": (("ventral 6v", 0, 64), ("area 4", 64, 128), ("55b", 128, 192), ("dorsal 6v", 192, 256)),
    "T16": (("PEF", 0, 64), ("ventral 6v", 64, 128), ("6d", 128, 256)),
    "T17": (("dorsal 6v, ventral", 0, 64), ("dorsal 6v, dorsal", 64, 128), ("55b", 128, 256)),
}
_FEATURES = ("threshold crossings", "spike-band power")


def _participant(name: str) -> ParticipantFacts:
    arrays = _ARRAYS[name]
    half = arrays[-1][2]
    return ParticipantFacts(
        n_channels=2 * half,
        channels=tuple(
            ChannelGroup(array=array, feature=feature, start=start + shift, stop=stop + shift)
            for feature, shift in zip(_FEATURES, (0, half), strict=True)
            for array, start, stop in arrays
        ),
        strategies=(Strategy.IMAGINED, Strategy.ATTEMPTED, Strategy.SILENT, Strategy.PERCEIVED),
    )


KUNZ2025 = CorpusFacts(
    name="kunz2025",
    title="Inner speech: imagined, attempted, mouthed, heard and read words, imagined sentences",
    participants={name: _participant(name) for name in _ARRAYS},
    splits=("train", "val_50words"),
    licence="CC0-1.0",
    citation="Kunz et al. 2025, Inner speech in motor cortex and implications for speech "
    "neuroprostheses, Cell 188",
    doi="10.5061/dryad.gf1vhhn1j",
    directions="run 'sylvian fetch kunz2025 --raw DIR', or download sentenceData.zip, "
    "isolatedVerbalBehaviors.zip and interleavedVerbalBehaviors.zip, or any of them, from "
    "https://doi.org/10.5061/dryad.gf1vhhn1j (Dryad may ask you to log in), unzip, and pass as "
    "--raw the folder that holds their folders; docs/corpora.md says which files of sentenceData "
    "are read",
)
