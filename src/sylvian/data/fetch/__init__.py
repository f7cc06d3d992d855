"""`sylvian fetch`: published files from Dryad, DANDI and Zenodo, resumable and checksummed."""

from sylvian.data.fetch.archives import ARCHIVES, HOMES, Archive, Home, home_of
from sylvian.data.fetch.fetch import FetchReport, fetch
from sylvian.data.fetch.patience import FetchConfig

__all__ = [
    "ARCHIVES",
    "HOMES",
    "Archive",
    "FetchConfig",
    "FetchReport",
    "Home",
    "fetch",
    "home_of",
]
