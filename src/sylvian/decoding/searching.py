"""The cascade's search over a split: greedily, and with an n-gram."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sylvian.decoding.setting import Setting, open_first_pass, open_graph, open_lexicon
from sylvian.jobs import Job
from sylvian.types import Logits, NBest, Progress

if TYPE_CHECKING:
    from sylvian.decode.graph import DecodingGraph


@dataclass(frozen=True)
class Searched:
    """What the decoders made of a split."""

    greedy: list[NBest]
    nbest: list[NBest] | None
    seconds: float
    warnings: tuple[str, ...] = ()


def search(job: Job, logits: Sequence[Logits], setting: Setting, progress: Progress) -> Searched:
    """Decode greedily, and with the n-gram where there is one.

    The greedy words are looked up in the words the n-gram knows, or in the whole lexicon.
    """
    from sylvian.decode.greedy import greedy
    from sylvian.decode.lookup import Lookup

    graph = open_graph(setting, job.graphs)
    lexicon = open_lexicon(setting)
    if graph is not None:
        lexicon = lexicon.extended(graph.words).restrict(graph.words)
    lookup = Lookup(lexicon)
    plain = [NBest(one.key, (lookup.spell(greedy(one)),)) for one in logits]
    if graph is None:
        return Searched(plain, None, 0.0)
    first_pass = open_first_pass(setting, graph)
    started = time.perf_counter()
    found = []
    for done, one in enumerate(logits, start=1):
        found.append(first_pass.decode(one))
        progress(f"search {job.split}", done, len(logits), job.run.path.name)
    return Searched(plain, found, time.perf_counter() - started, _warnings(graph))


def _warnings(graph: DecodingGraph) -> tuple[str, ...]:
    report = graph.report
    if not report.n_missing:
        return ()
    some = ", ".join(report.missing[:5])
    return (
        f"{report.n_missing} words of the language model are not in the lexicon and cannot be "
        f"decoded ({some}…); give a larger lexicon, or leave --lexicon out",
    )
