"""Several runs, one answer a trial: merged by votes, by a language model, or before the search."""

from sylvian.merging.mergers import MergeConfig
from sylvian.merging.outcome import MergeResult, MergeRow
from sylvian.merging.verb import merge_runs

__all__ = ["MergeConfig", "MergeResult", "MergeRow", "merge_runs"]
