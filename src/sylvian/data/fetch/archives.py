"""The archives, what they list, and which corpus lives where.

Nothing here could be tried against the real archives, which this project has never reached: the
addresses and shapes are those the archives document, and those the tests' server imitates.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import httpx2

from sylvian.data.fetch.digests import Digest
from sylvian.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file an archive offers.

    Attributes:
        path: Relative path with `/`, as the archive names it; not yet checked for safety.
        url: Where its bytes are.
        n_bytes: Its size as listed.
        digest: Its published checksum, where there is one.
    """

    path: str
    url: str
    n_bytes: int
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of one version of one record."""

    version: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """How to speak with an archive.

    Attributes:
        kind: `dryad`, `dandi` or `zenodo`.
        title: Its name in messages.
        base: Address of its API. An `http` address is for tests: nothing the command line or an
            archive says can set it.
        hosts: Patterns of further hosts that listings and redirects may point at: the stores where
            the archive keeps the bytes. They are never sent the token.
        page: Address of a record for people, with `{record}`.
        variable: Environment variable with the token.
        scheme: Word before the token in the `Authorization` header.
        login: How a person gets a token.
    """

    kind: str
    title: str
    base: str
    hosts: tuple[str, ...]
    page: str
    variable: str
    scheme: str
    login: str

    def owns(self, url: httpx2.URL) -> bool:
        """Whether `url` is at the archive's own address, which alone is sent the token."""
        return _origin(url) == _origin(httpx2.URL(self.base))

    def allows(self, url: httpx2.URL) -> bool:
        """Whether we may ask `url` for anything: the archive itself, or its stores by https."""
        if self.owns(url):
            return True
        schemes = {"https", httpx2.URL(self.base).scheme}
        return url.scheme in schemes and any(fnmatchcase(url.host, host) for host in self.hosts)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


ARCHIVES = {
    "dryad": Archive(
        kind="dryad",
        title="Dryad",
        base="https://datadryad.org/api/v2",
        hosts=("datadryad.org", "*.datadryad.org", "*.amazonaws.com"),
        page="https://datadryad.org/dataset/doi:{record}",
        variable="SYLVIAN_DRYAD_TOKEN",
        scheme="Bearer",
        login="log in with your ORCID and create an API account at https://datadryad.org/account, "
        "which then shows a token that lasts 10 hours",
    ),
    "dandi": Archive(
        kind="dandi",
        title="DANDI",
        base="https://api.dandiarchive.org/api",
        hosts=("*.dandiarchive.org", "*.amazonaws.com"),
        page="https://dandiarchive.org/dandiset/{record}",
        variable="DANDI_API_KEY",
        scheme="token",
        login="log in at https://dandiarchive.org and copy the API key from the menu behind your "
        "initials; embargoed dandisets also want their owner's consent",
    ),
    "zenodo": Archive(
        kind="zenodo",
        title="Zenodo",
        base="https://zenodo.org/api",
        hosts=("zenodo.org", "*.zenodo.org"),
        page="https://zenodo.org/records/{record}",
        variable="SYLVIAN_ZENODO_TOKEN",
        scheme="Bearer",
        login="log in and create a personal access token at "
        "https://zenodo.org/account/settings/applications",
    ),
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where a corpus lives.

    Attributes:
        corpus: Name it is prepared by.
        archive: Key of `ARCHIVES`.
        record: DOI (Dryad), dandiset number (DANDI) or record number (Zenodo).
        files: Patterns of the files our reader needs; empty for all of them. `*` also spans `/`.
        version: Published version of a dandiset; empty for the newest.
        name: What fetch calls it, if it is one of several records of a corpus.
    """

    corpus: str
    archive: str
    record: str
    files: tuple[str, ...] = ()
    version: str = ""
    name: str = ""


# Records and file names: shared/design/paper.md 1.1 to 1.4 and the readers' own facts. Versions are
# those that published work names; where none was seen the newest is taken and reported.
_NWB = ("*.nwb",)
_HOMES = (
    Home(
        "card2024",
        "dryad",
        "10.5061/dryad.dncjsxm85",
        ("t15_copyTask_neuralData.zip", "t15_copyTaskData_description.csv"),
    ),
    Home("willett2023", "dryad", "10.5061/dryad.x69p8czpq", ("competitionData.tar.gz",)),
    Home("willett2021", "dryad", "10.5061/dryad.wh70rxwmv", ("handwritingBCIData.tar.gz",)),
    Home("fan2023", "dryad", "10.5061/dryad.hqbzkh1p6"),
    Home(
        "kunz2025",
        "dryad",
        "10.5061/dryad.gf1vhhn1j",
        ("sentenceData.zip", "isolatedVerbalBehaviors.zip", "interleavedVerbalBehaviors.zip"),
    ),
    Home("chowdhury2020", "dryad", "10.5061/dryad.nk98sf7q7"),
    Home("ma2023", "dryad", "10.5061/dryad.cvdncjt7n"),
    Home("odoherty2017", "zenodo", "3854034", ("*.mat",)),
    Home("falcon", "dandi", "000950", _NWB, "0.241029.1403"),
    Home("falcon", "dandi", "000950", _NWB, "0.241029.1403", name="falcon_h2"),
    Home("falcon_h1", "dandi", "000954", _NWB),
    Home("falcon_m1", "dandi", "000941", _NWB),
    Home("falcon_m2", "dandi", "000953", _NWB),
    Home("churchland2012", "dandi", "000070", _NWB),
    Home("perich2018", "dandi", "000688", _NWB, "0.250122.1735"),
    Home("evenchen2019", "dandi", "000121", _NWB),
    Home("temmar2025", "dandi", "001201", _NWB, "0.251023.2336"),
    Home("mc_maze", "dandi", "000128", _NWB, "0.220113.0400"),
    Home("mc_rtt", "dandi", "000129", _NWB, "0.241017.1444"),
    Home("mc_maze", "dandi", "000138", _NWB, name="mc_maze_large"),
    Home("mc_maze", "dandi", "000139", _NWB, name="mc_maze_medium"),
    Home("mc_maze", "dandi", "000140", _NWB, "0.220113.0408", name="mc_maze_small"),
)
HOMES = {home.name or home.corpus: home for home in _HOMES}


def home_of(corpus: str) -> Home:
    """Look up where a corpus lives.

    Raises:
        ConfigError: we know of no archive that has it.
    """
    if corpus not in HOMES:
        known = ", ".join(sorted(HOMES))
        raise ConfigError(
            f"no archive is known for {corpus!r}; `sylvian show {corpus}` may say where to get it, "
            f"and fetch knows {known}"
        )
    return HOMES[corpus]
