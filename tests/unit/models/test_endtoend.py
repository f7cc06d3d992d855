from dataclasses import replace

import pytest
import torch

from sylvian.errors import ConfigError, DataError
from sylvian.models.adapters import LoraConfig
from sylvian.models.ctc import CtcObjective
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective, sentence_nats
from sylvian.models.generation import generate
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from tiny.llms import SENTENCES, backbone, tokenizer
from tiny.speech import N_BINS, batch, build, phoneme_model, settings

ALL = LossWeights(cross_entropy=1.0, contrastive=0.5, ctc=0.25)
CASES = [("qwen2", "neural"), ("qwen2_audio", "audio")]
both_modalities = pytest.mark.parametrize(("name", "modality"), CASES)


def loss(speech: SpeechLlm, weights: LossWeights = ALL):
    return SpeechLlmObjective(speech, weights)(batch(labelled=True), SENTENCES)


@both_modalities
def test_the_total_is_the_weighted_sum_of_named_parts(name, modality):
    found = loss(build(name, modality))
    parts = {part: float(value) for part, value in found.parts.items()}
    assert list(parts) == ["cross_entropy", "contrastive", "ctc"]
    total = parts["cross_entropy"] + 0.5 * parts["contrastive"] + 0.25 * parts["ctc"]
    assert found.total.item() == pytest.approx(total, rel=1e-5)
    assert found.total.dtype == torch.float32
    assert not any(value.requires_grad for value in found.parts.values())


def test_cross_entropy_is_the_mean_over_sentence_tokens_and_ends():
    speech = build()
    found = loss(speech, LossWeights(contrastive=0.0))
    sentences = speech.encode(batch(), SENTENCES)
    assert found.n_items == sum(len(own) + 1 for own in sentences)
    nats, neural = [], speech.listen(batch())
    for row, own in enumerate(sentences):
        one = neural.only(row, 1)
        logits, targets = speech.target_logits(speech.lessons(one, [own]))
        nats += (-logits.log_softmax(-1)[torch.arange(len(targets)), targets]).tolist()
    assert list(found.parts) == ["cross_entropy"]
    assert found.total.item() == pytest.approx(sum(nats) / len(nats), rel=1e-4)


def test_micro_batches_weighed_by_tokens_give_the_whole_batchs_cross_entropy():
    speech, weights = build(), LossWeights(contrastive=0.0)
    objective = SpeechLlmObjective(speech, weights)
    parts = [
        objective(batch(N_BINS[:2]), SENTENCES[:2]),
        objective(batch(N_BINS[2:], first=2), SENTENCES[2:]),
    ]
    mean = sum(own.total.item() * own.n_items for own in parts) / sum(own.n_items for own in parts)
    assert mean == pytest.approx(objective(batch(), SENTENCES).total.item(), rel=1e-5)


def test_the_kept_ctc_head_gives_the_phoneme_models_own_loss():
    speech, phonemes = build(), phoneme_model().eval()
    truth = CtcObjective(phonemes)(batch(labelled=True))
    found = loss(speech)
    assert float(found.parts["ctc"]) == pytest.approx(truth.total.item(), rel=1e-5)
    assert found.n_impossible == truth.n_impossible == 0


def test_trials_too_short_for_their_phonemes_are_counted():
    speech = build()
    short = batch(labelled=True)
    labels = torch.ones(len(short), 6, dtype=torch.int64)
    short = replace(short, labels=labels, n_labels=torch.full((len(short),), 6))
    found = SpeechLlmObjective(speech, ALL)(short, SENTENCES)
    assert found.n_impossible == 4  # six equal labels need eleven frames; 61 bins are thirteen
    assert torch.isfinite(found.total)


@both_modalities
def test_gradients_reach_all_that_is_trained_and_nothing_else(name, modality):
    speech = build(name, modality).train()
    loss(speech).total.backward()
    for label, parameter in speech.named_parameters():
        trained = not label.startswith("llm.") or "lora_" in label
        assert parameter.requires_grad == trained, label
        if not trained:
            assert parameter.grad is None, label
            continue
        if "mask_token" in label:
            continue
        assert parameter.grad is not None, label
        assert torch.isfinite(parameter.grad).all(), label
    moved = [n for n, p in speech.named_parameters() if p.grad is not None and p.grad.any()]
    for part in ("encoder.", "projector.", "head.", "aligner.neural", "aligner.text"):
        assert any(label.startswith(part) for label in moved), part
    assert "aligner.log_scale" in moved
    assert any("lora_" in label and ".causal." in label for label in moved)
    assert any("lora_" in label and ".audio." in label for label in moved) == (modality == "audio")


def test_gradients_from_the_sentence_alone_reach_the_encoder():
    speech = build()
    loss(speech, LossWeights(contrastive=0.0)).total.backward()
    assert any(p.grad is not None and p.grad.any() for p in speech.encoder.parameters())


def test_a_frozen_encoder_neither_learns_nor_drops_out():
    speech = build(encoder="frozen").train()
    assert not speech.encoder.training and speech.projector.training
    loss(speech, LossWeights()).total.backward()
    assert all(p.grad is None and not p.requires_grad for p in speech.encoder.parameters())
    assert any(p.grad.any() for p in speech.projector.parameters())


def test_recomputed_activations_change_no_gradient():
    """Gradient checkpointing: every block runs once more, and the gradients are the same."""
    gradients, runs = [], []
    for again in (False, True):
        speech = build(lora=LoraConfig(dropout=0.0)).train()
        speech.encoder.eval()
        if again:
            speech.llm.recompute()
        calls = []
        norm = speech.llm.causal.model.layers[0].input_layernorm
        norm.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        loss(speech).total.backward()
        runs.append(len(calls))
        found = [p.grad.flatten() for p in speech.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    assert runs == [1, 2]
    torch.testing.assert_close(gradients[1], gradients[0])


def test_a_few_steps_learn_the_sentences():
    """The whole network can be fitted: greedy generation then repeats what was learned."""
    speech = build("qwen2", lora=LoraConfig(alpha=8, dropout=0.0))
    objective = SpeechLlmObjective(speech, LossWeights(contrastive=0.1))
    lengths, sentences = (61, 20), ("yes", "not too controversial")
    trained = [p for p in speech.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=0.02)
    for _ in range(50):
        optimiser.zero_grad()
        objective(batch(lengths), sentences).total.backward()
        optimiser.step()
    found = generate(speech, batch(lengths), GreedyConfig(least_tokens=40))
    assert tuple(own.nbest().best.text for own in found) == sentences


def test_weights_without_their_part_are_refused():
    with pytest.raises(ConfigError, match="end_to_end.losses.contrastive=0"):
        SpeechLlmObjective(build(alignment=None))
    no_head = build_speech_llm(phoneme_model().encoder, backbone("qwen2"), tokenizer(), settings())
    with pytest.raises(ConfigError, match="no CTC head.*end_to_end.losses.ctc=0"):
        SpeechLlmObjective(no_head, ALL)
    assert list(SpeechLlmObjective(no_head)(batch(), SENTENCES).parts) == [
        "cross_entropy",
        "contrastive",
    ]


def test_trials_without_phonemes_are_named():
    with pytest.raises(
        DataError, match=r"toy/T15/2023-08-11/b01/t000: no phonemes.*end_to_end.losses.ctc=0"
    ):
        SpeechLlmObjective(build(), ALL)(batch(), SENTENCES)


@pytest.mark.parametrize(
    ("sentence", "message"), [("  ", "empty"), ("yes " * 200, "at most 128 are allowed")]
)
def test_empty_and_endless_sentences_are_named(sentence, message):
    sentences = (*SENTENCES[:2], sentence, *SENTENCES[3:])
    with pytest.raises(DataError, match=f"toy/T15/2023-08-11/b01/t002: .*{message}"):
        SpeechLlmObjective(build())(batch(), sentences)


def test_nats_are_float32_even_from_half_precision():
    logits = torch.tensor([[300.0, 0.0], [0.0, 1.0]], dtype=torch.float16)
    found = sentence_nats(logits, torch.tensor([1, 1]))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx([300.0, 0.3132617])
