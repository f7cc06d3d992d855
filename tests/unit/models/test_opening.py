"""The frozen base: opened by name, in a precision of its own, and never given a gradient."""

from pathlib import Path

import pytest
import torch

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.adapters import LoraConfig
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.opening import BackboneConfig, open_backbone
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from tiny.llms import SENTENCES, model, tokenizer
from tiny.speech import batch, phoneme_model, settings, stir

ALL = LossWeights(cross_entropy=1.0, contrastive=0.5, ctc=0.25)
MODALITIES = {"llama": "neural", "qwen3": "neural", "qwen2_audio": "audio"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A folder for each language model, as transformers writes it."""
    folder = tmp_path_factory.mktemp("llms")
    for name in MODALITIES:
        model(name).save_pretrained(folder / name)
        tokenizer().save_pretrained(folder / name)
    return folder


def speaking(folder: Path, *, dropout: float = 0.0, **how: object) -> SpeechLlm:
    """Build the network around a base that is opened as asked."""
    torch.manual_seed(0)
    llm, words = open_backbone(BackboneConfig(name=str(folder), **how))
    config = settings(MODALITIES[folder.name], lora=LoraConfig(dropout=dropout))
    speech = build_speech_llm(phoneme_model(), llm, words, config, seed=3)
    stir(speech)
    return speech.train()


def gradients(speech: SpeechLlm, seed: int = 5) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)  # of dropout
    SpeechLlmObjective(speech, ALL)(batch(labelled=True), SENTENCES).total.backward()
    return {name: p.grad for name, p in speech.named_parameters() if p.grad is not None}


every_llm = pytest.mark.parametrize("name", MODALITIES)


@every_llm
def test_text_and_audio_llms_are_told_apart(saved, name):
    llm, words = open_backbone(BackboneConfig(name=str(saved / name)))
    assert (llm.audio is not None) == (name == "qwen2_audio")
    assert llm.dtype == torch.float32
    assert words.get_vocab() == tokenizer().get_vocab()
    assert not any(parameter.requires_grad for parameter in llm.parameters())


def test_what_is_not_there_is_said(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "aero"}')
    with pytest.raises(CheckpointError, match=r"no \*.safetensors"):
        open_backbone(BackboneConfig(name=str(tmp_path)))
    with pytest.raises(ConfigError, match="no such folder"):
        open_backbone(BackboneConfig(name=str(tmp_path / "nowhere")))


@every_llm
def test_a_half_precision_base_leaves_what_learns_in_full_precision(saved, name):
    speech = speaking(saved / name, dtype="bfloat16")
    types = {label: p.dtype for label, p in speech.named_parameters()}
    base = set(filter(is_frozen, types))
    assert {types[label] for label in base} == {torch.bfloat16}
    assert {types[label] for label in types.keys() - base} == {torch.float32}
    found = gradients(speech)
    assert found.keys().isdisjoint(base)
    assert {own.dtype for own in found.values()} == {torch.float32}


def test_the_loss_of_a_half_precision_base_is_computed_in_full_precision(saved):
    speech = speaking(saved / "llama", dtype="bfloat16").eval()
    objective = SpeechLlmObjective(speech, ALL)
    logits, targets = speech(batch(), SENTENCES)
    assert logits.dtype == torch.float32
    for autocast in (False, True):  # train.precision=bf16 must not round it either
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found = objective(batch(labelled=True), SENTENCES)
        assert {found.total.dtype, *(own.dtype for own in found.parts.values())} == {torch.float32}
    nats = -logits.log_softmax(-1).gather(1, targets.unsqueeze(1)).mean()
    found = objective(batch(labelled=True), SENTENCES)
    assert found.parts["cross_entropy"].item() == pytest.approx(nats.item(), rel=1e-6)


@every_llm
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_recomputing_changes_no_gradient_dropout_included(saved, name, dtype):
    kept, again = (
        speaking(saved / name, dropout=0.3, dtype=dtype, recompute=recompute)
        for recompute in (False, True)
    )
    truth, n_once = watched(kept)
    found, n_twice = watched(again)
    assert n_twice == 2 * n_once > 0
    assert found.keys() == truth.keys()
    assert all(torch.equal(found[label], own) for label, own in truth.items())
    other = gradients(speaking(saved / name, dropout=0.3, dtype=dtype), seed=6)
    assert any(not torch.equal(other[label], own) for label, own in truth.items())


def watched(speech: SpeechLlm) -> tuple[dict[str, torch.Tensor], int]:
    """Give gradients, and how often a block of the language model ran."""
    calls: list[int] = []
    norm = speech.llm.causal.get_decoder().layers[0].input_layernorm
    norm.register_forward_hook(lambda *_: calls.append(1))
    return gradients(speech), len(calls)


@every_llm
def test_frozen_weights_get_no_gradient_and_none_is_computed(saved, name):
    """A weight whose gradient was computed and thrown away would cost a third of the step."""
    speech = speaking(saved / name)
    total = SpeechLlmObjective(speech, ALL)(batch(labelled=True), SENTENCES).total
    leaves, names = leaves_of(total), {p: n for n, p in speech.named_parameters()}
    assert {names[own].partition(".")[0] for own in leaves} == {
        "encoder",
        "projector",
        "head",
        "aligner",
        "llm",
    }
    assert not any(is_frozen(names[own]) for own in leaves)
    total.backward()
    assert all(own.grad is None for own, label in names.items() if is_frozen(label))


def is_frozen(label: str) -> bool:
    return label.startswith("llm.") and "lora_" not in label


def leaves_of(total: torch.Tensor) -> set[torch.Tensor]:
    """Walk the graph down to whatever the backward pass would accumulate a gradient in."""
    found: set[torch.Tensor] = set()
    waiting, seen = [total.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(node.variable)
        waiting += [parent for parent, _ in node.next_functions]
    return found


@every_llm
def test_the_output_layer_sees_target_places_only(saved, name):
    speech, rows = speaking(saved / name), []
    head = speech.llm.causal.get_output_embeddings()
    head.register_forward_hook(lambda _, given, __: rows.append(given[0].shape[:-1]))
    gradients(speech)
    n_targets = sum(len(own) + 1 for own in speech.encode(batch(), SENTENCES))
    assert rows == [(n_targets,)]


@every_llm
def test_attention_is_computed_as_asked_and_says_the_same(saved, name):
    logits = {}
    for kind in ("eager", "sdpa"):
        speech = speaking(saved / name, attention=kind).eval()
        assert speech.llm.causal.config._attn_implementation == kind
        with torch.no_grad():
            logits[kind] = SpeechLlmObjective(speech, ALL)(batch(labelled=True), SENTENCES).total
    torch.testing.assert_close(logits["eager"], logits["sdpa"], rtol=1e-4, atol=1e-4)
