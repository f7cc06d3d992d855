"""Why one encoder reads several tasks: similarity, separability, alignment. NumPy only."""

from sylvian.analyses.cka import CkaTable, cka, cka_layers
from sylvian.analyses.estimates import Estimate, plain
from sylvian.analyses.pca import Pca, pca
from sylvian.analyses.pooling import average_by, segment_vector
from sylvian.analyses.rsa import RsaConfig, RsaResult, distances, rsa, within_lengths
from sylvian.analyses.separability import SeparabilityResult, separability
from sylvian.analyses.words import (
    WordAlignment,
    WordMeans,
    WordTokens,
    common_words,
    word_alignment,
)

__all__ = [
    "CkaTable",
    "Estimate",
    "Pca",
    "RsaConfig",
    "RsaResult",
    "SeparabilityResult",
    "WordAlignment",
    "WordMeans",
    "WordTokens",
    "average_by",
    "cka",
    "cka_layers",
    "common_words",
    "distances",
    "pca",
    "plain",
    "rsa",
    "segment_vector",
    "separability",
    "within_lengths",
    "word_alignment",
]
