"""What is published about the recordings of Ma et al. 2023."""

from __future__ import annotations

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts
from sylvian.data.corpora.recordings import TRAIN, listed_days
from sylvian.types import Strategy

# The archives' files as a public user listed them: year, then month and days.
_SESSIONS = {
    "Chewie": "2016 0927 0928 0929 0930 1006 1007 1011 1012 1013 1102 1103 1104",
    "Greyson": "2019 0812 0815 0819 0911 0913 0918 0920 0923 1007",
    "Jango": """
        2015 0730 0731 0801 0805 0806 0807 0808 0809 0820 0824 0825 0826 0827 0828 0831 0905 0906
             0908 1029 1102
    """,
    "Mihili": """
        2013 1207 1208
        2014 0114 0115 0116 0128 0129 0203 0211 0212 0214 0217 0218 0222 0224 0225 0227 0228 0303
             0304 0306 0307
    """,
    "Spike": """
        2012 0821 0822 0823 0824 0829 0831 0905 0928 1015 1017 1018 1023 1025 1105 1107 1108 1109
             1112
    """,
}


def _participant(listing: str) -> ParticipantFacts:
    return ParticipantFacts(
        n_channels=None,
        sessions=listed_days(listing),
        strategies=(Strategy.REACHING,),
        species="monkey",
    )


MA2023 = CorpusFacts(
    name="ma2023",
    title="five monkeys, M1: isometric wrist (Jango, Spike), key grasp (Greyson), centre-out "
    "(Chewie, Mihili) and random targets (Mihili); some recordings are in perich2018 too",
    participants={name: _participant(listing) for name, listing in _SESSIONS.items()},
    splits=(TRAIN,),
    licence="CC0-1.0",
    citation="Ma et al. 2023, Using adversarial networks to extend brain computer interface "
    "decoding accuracy over time, eLife 12, e84296",
    doi="10.5061/dryad.cvdncjt7n",
    directions="run 'sylvian fetch ma2023 --raw DIR', which unpacks the .7z archives if py7zr is "
    "installed (pip install 'sylvian[sevenzip]'; or unpack them there with 7-Zip), or download "
    "Chewie_CO_2016.7z, Greyson_Key_2019.7z, Jango_ISO_2015.7z, "
    "Mihili_CO_2014.7z, Mihili_RT_2013_2014.7z and Spike_ISO_2012.7z from "
    "https://doi.org/10.5061/dryad.cvdncjt7n (Dryad may ask you to log in), unpack, and pass as "
    "--raw the folder that holds them",
)
