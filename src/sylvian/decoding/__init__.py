"""How a split is decoded: the decoder in use, the search, and what it left behind.

`decoder.json` in the run folder is what `tune` chose; `<split>/decode.json` is what a split was
really decoded with.
"""

from sylvian.decoding.basis import Basis, Source, basis
from sylvian.decoding.outcome import Decodes, compare, in_use, rate, read_decodes, write_decodes
from sylvian.decoding.searching import Search, Searched, search
from sylvian.decoding.sentences import speak
from sylvian.decoding.setting import (
    NO_LM,
    Rescorer,
    Setting,
    open_graph,
    open_lexicon,
    read_sentences,
    resolve,
    train_lm,
)

__all__ = [
    "NO_LM",
    "Basis",
    "Decodes",
    "Rescorer",
    "Search",
    "Searched",
    "Setting",
    "Source",
    "basis",
    "compare",
    "in_use",
    "open_graph",
    "open_lexicon",
    "rate",
    "read_decodes",
    "read_sentences",
    "resolve",
    "search",
    "speak",
    "train_lm",
    "write_decodes",
]
