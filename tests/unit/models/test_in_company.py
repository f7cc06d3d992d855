"""What several processes do together, played by one; test_distributed.py has two real ones."""

import pytest
import torch

from sylvian.models.alignment import AlignmentConfig
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.generation import generate
from sylvian.models.sentence_search import BeamConfig, GenerationConfig, GreedyConfig, NucleusConfig
from sylvian.models.speechllm import SpeechLlm
from tiny.llms import SENTENCES
from tiny.speech import batch, build

ALL = LossWeights(contrastive=0.5, ctc=0.25)
SEARCHES = [
    GreedyConfig(least_tokens=6),
    BeamConfig(beams=2, n_best=2, least_tokens=6),
    NucleusConfig(samples=2, least_tokens=6),
]


class Company:
    """Another process whose rows are as given, before one's own."""

    def __init__(self, rows: dict[int, torch.Tensor] | None = None) -> None:
        self.rows, self.seen = rows or {}, []

    def __call__(self, own: torch.Tensor) -> tuple[torch.Tensor, int]:
        self.seen.append(own.detach().clone())
        others = self.rows.get(len(self.seen) - 1, own[:0])
        return torch.cat((others, own)), len(others)


def still(**changes: object) -> SpeechLlm:
    """Build a network in training mode that drops nothing out."""
    speech = build(**changes).train()
    for part in speech.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    speech.encoder.eval()
    return speech


def test_alone_the_company_changes_nothing():
    alone = SpeechLlmObjective(still(), ALL)(batch(labelled=True), SENTENCES)
    objective = SpeechLlmObjective(still(), ALL, gather=Company())
    found = objective(batch(labelled=True), SENTENCES)
    assert objective.in_company
    torch.testing.assert_close(found.total, alone.total)
    assert found.n_items == alone.n_items


def test_parts_averaged_by_tokens_are_means_over_everybodys_trials():
    """This process has trials 2 to 4, the other 0 and 1; together they are one batch."""
    speech = still()
    truth = SpeechLlmObjective(speech, ALL)(batch(labelled=True), SENTENCES)
    first, second = ((0, 2), (2, 5))
    spies = []
    for at, stop in (first, second):
        spies.append(Company())
        objective = SpeechLlmObjective(speech, ALL, gather=spies[-1])
        objective(part(at, stop), SENTENCES[at:stop])
    total = 0.0
    for (at, stop), other in ((first, spies[1]), (second, spies[0])):
        company = Company(dict(enumerate(other.seen)))
        found = SpeechLlmObjective(speech, ALL, gather=company)(part(at, stop), SENTENCES[at:stop])
        total += found.total.item() * found.n_items
    assert total / truth.n_items == pytest.approx(truth.total.item(), rel=1e-5)


def part(at: int, stop: int):
    return batch((61, 7, 40, 3, 33)[at:stop], first=at, labelled=True)


def test_a_pass_for_the_others_sake_counts_nothing():
    speech, company = still(alignment=AlignmentConfig(width=8, queue=4)), Company()
    objective = SpeechLlmObjective(speech, ALL, gather=company)
    found = objective(batch(labelled=True), SENTENCES, counted=False)
    assert found.n_items == 0
    assert [len(rows) for rows in company.seen] == [0, 0, 1]
    assert company.seen[-1].tolist() == [[0, 0, 0]]
    assert int(speech.aligner.queue_seen) == 0
    (found.total * 0.0).backward()
    gradients = [p.grad for p in speech.parameters() if p.grad is not None]
    assert gradients and not any(own.any() for own in gradients)


def test_a_batch_stays_by_itself_in_inference_mode():
    company = Company()
    SpeechLlmObjective(build(), ALL, gather=company)(batch(labelled=True), SENTENCES)
    assert company.seen == []


def test_cross_entropy_alone_needs_no_company():
    weights = LossWeights(contrastive=0.0)
    assert not SpeechLlmObjective(build(), weights, gather=Company()).in_company


@pytest.mark.parametrize("config", SEARCHES, ids=lambda own: own.kind)
def test_reading_on_for_the_others_changes_no_sentence(config: GenerationConfig):
    speech, asked = build(), []

    def others(goes_on: bool) -> bool:
        asked.append(goes_on)
        return goes_on or len(asked) < 30  # more steps than any trial may take

    ours = generate(speech, batch(), config, others=others)
    assert ours == generate(speech, batch(), config)
    assert len(asked) == 30 and not asked[-2]
