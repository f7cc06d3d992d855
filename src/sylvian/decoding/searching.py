"""The cascade's search over a split: greedily, and with an n-gram."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sylvian.decoding.setting import Setting, open_first_pass, open_graph, open_lexicon
from sylvian.jobs import Job
from sylvian.types import Logits, NBest, Progress

if TYPE_CHECKING:
    from sylvian.decode.beam import FirstPass
    from sylvian.decode.graph import DecodingGraph
    from sylvian.decode.lookup import Lookup


@dataclass(frozen=True)
class Searched:
    """What the decoders made of a split.

    Attributes:
        greedy: Each trial without a language model.
        nbest: Each trial's candidates, best first; None where nothing but greedy was asked.
        seconds: What that took.
        warnings: What the decoding graph had to leave out.
        speaker: The language model that generated, by `fingerprint` and `weight_bytes`; None: a
            cascade.
    """

    greedy: list[NBest]
    nbest: list[NBest] | None
    seconds: float
    warnings: tuple[str, ...] = ()
    speaker: dict[str, Any] | None = None


@dataclass(frozen=True)
class Search:
    """The cascade's decoders, opened once for any number of utterances; it writes none of them.

    Attributes:
        lookup: Spells greedy phonemes in the words the n-gram knows, or in the whole lexicon.
        first_pass: The search with the n-gram; None without one.
        warnings: What the decoding graph had to leave out.
    """

    lookup: Lookup
    first_pass: FirstPass | None
    warnings: tuple[str, ...]

    @classmethod
    def open(cls, job: Job, setting: Setting) -> Search:
        """Read lexicon and n-gram; the graph is fetched from the cache of the runs, or built.

        Raises:
            DecodeError: the n-gram or the lexicon cannot be used.
        """
        from sylvian.decode.lookup import Lookup

        graph = open_graph(setting, job.graphs)
        lexicon = open_lexicon(setting)
        if graph is None:
            return cls(Lookup(lexicon), None, ())
        lexicon = lexicon.extended(graph.words).restrict(graph.words)
        return cls(Lookup(lexicon), open_first_pass(setting, graph), _warnings(graph))

    def plain(self, logits: Logits) -> NBest:
        """Decode greedily, word by word looked up."""
        from sylvian.decode.greedy import greedy

        return NBest(logits.key, (self.lookup.spell(greedy(logits)),))

    def decode(self, logits: Logits) -> NBest:
        """Decode with the n-gram, or greedily where there is none.

        Raises:
            DecodeError: a logit is NaN or infinite, or of another vocabulary.
        """
        return self.plain(logits) if self.first_pass is None else self.first_pass.decode(logits)


def search(job: Job, logits: Sequence[Logits], setting: Setting, progress: Progress) -> Searched:
    """Decode greedily, and with the n-gram where there is one."""
    decoders = Search.open(job, setting)
    plain = [decoders.plain(one) for one in logits]
    if decoders.first_pass is None:
        return Searched(plain, None, 0.0)
    started = time.perf_counter()
    found = []
    for done, one in enumerate(logits, start=1):
        found.append(decoders.decode(one))
        progress(f"search {job.split}", done, len(logits), job.run.path.name)
    return Searched(plain, found, time.perf_counter() - started, decoders.warnings)


def _warnings(graph: DecodingGraph) -> tuple[str, ...]:
    report = graph.report
    if not report.n_missing:
        return ()
    some = ", ".join(report.missing[:5])
    return (
        f"{report.n_missing} words of the language model are not in the lexicon and cannot be "
        f"decoded ({some}…); give a larger lexicon, or leave --lexicon out",
    )
