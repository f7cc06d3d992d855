import subprocess
import sys

import pytest
import torch

from sylvian.errors import ConfigError
from sylvian.models.adapters import (
    LoraConfig,
    adapter_names,
    adapter_state,
    add_adapters,
    fold_adapters,
)
from sylvian.models.backbones import Backbone, backbone_of
from sylvian.models.generation import generate
from sylvian.models.projectors import LinearConfig, build_projector
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from sylvian.models.speechllm_files import save_speech_llm
from tiny.llms import LLMS, backbone, model, tokenizer
from tiny.speech import batch, build, phoneme_model, settings

TOKENS = torch.arange(7)[None]


def logits(llm: Backbone) -> torch.Tensor:
    with torch.no_grad():
        return llm.causal(TOKENS).logits


@pytest.mark.parametrize("name", LLMS)
def test_fresh_adapters_change_nothing_and_learn_alone(name):
    llm = backbone(name)
    before, identity = logits(llm), llm.identity
    add_adapters(llm, LoraConfig(), audio=False)
    assert torch.equal(logits(llm), before)
    assert llm.identity == identity
    trainable = {n for n, p in llm.named_parameters() if p.requires_grad}
    assert trainable == set(adapter_names(llm)) == set(adapter_state(llm))
    assert len(trainable) == 2 * 2 * 7  # two matrices, two blocks, seven layers
    assert not llm.training


def test_the_targets_decide():
    llm = backbone("qwen2")
    add_adapters(llm, LoraConfig(targets=("q_proj", "v_proj"), rank=3), audio=False)
    assert {n.split(".")[-4] for n in adapter_names(llm)} == {"q_proj", "v_proj"}
    assert all(3 in tensor.shape for tensor in adapter_state(llm).values())


def test_a_target_that_names_no_layer_is_refused():
    llm = backbone("qwen2")
    with pytest.raises(ConfigError, match="Qwen2ForCausalLM has no linear layer 'c_attn'"):
        add_adapters(llm, LoraConfig(targets=("q_proj", "c_attn")), audio=False)
    assert adapter_names(llm) == ()


def test_adapters_are_not_stacked():
    llm = backbone("qwen2")
    add_adapters(llm, LoraConfig(), audio=False)
    with pytest.raises(ConfigError, match="has adapters already"):
        add_adapters(llm, LoraConfig(), audio=False)


def test_an_audio_llms_projector_is_adapted_only_where_it_is_used():
    for audio, wanted, expected in ((True, True, 2), (False, True, 0), (True, False, 0)):
        llm = backbone("qwen2_audio")
        add_adapters(llm, LoraConfig(audio_projector=wanted), audio=audio)
        assert sum(name.startswith("audio.") for name in adapter_names(llm)) == expected


def test_the_audio_encoder_is_never_touched():
    """The reference's suffixes also match the audio tower's q_proj, k_proj, v_proj (§9.2)."""
    whole = model("qwen2_audio")
    tower = whole.model.audio_tower
    before = {n: (p.requires_grad, p.clone()) for n, p in tower.named_parameters()}
    assert any("q_proj" in name for name in before)
    add_adapters(backbone_of(whole), LoraConfig(), audio=True)
    after = dict(tower.named_parameters())
    assert after.keys() == before.keys()
    for name, (learns, value) in before.items():
        assert after[name].requires_grad == learns and torch.equal(after[name], value)


def test_adapters_of_a_half_precision_base_are_float32():
    llm = backbone("qwen2").to(torch.bfloat16)
    add_adapters(llm, LoraConfig(), audio=False)
    assert {tensor.dtype for tensor in adapter_state(llm).values()} == {torch.float32}
    assert logits(llm).dtype == torch.bfloat16


def test_qwen25_15b_gets_as_many_parameters_as_published():
    """9.23 million in 28 blocks (dossier §6.4), counted on one block of the real size."""
    import transformers
    from transformers.initialization import no_init_weights

    config = transformers.Qwen2Config(
        vocab_size=8,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=1,
        num_attention_heads=12,
        num_key_value_heads=2,
    )
    with no_init_weights():
        llm = Backbone(transformers.Qwen2ForCausalLM(config))
    add_adapters(llm, LoraConfig(), audio=False)
    assert 28 * sum(tensor.numel() for tensor in adapter_state(llm).values()) == 9_232_384


def test_the_seed_decides_the_weights_and_nothing_else():
    before = torch.get_rng_state()
    states = []
    for seed in (1, 1, 2):
        llm = backbone("qwen2")
        add_adapters(llm, LoraConfig(), audio=False, seed=seed)
        states.append(torch.cat([t.flatten() for t in adapter_state(llm).values()]))
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_fingerprints_tell_models_apart_but_not_precisions():
    ours = backbone("qwen2").identity
    assert ours == backbone("qwen2").identity
    assert ours.fingerprint != backbone("qwen2", seed=1).identity.fingerprint
    assert backbone_of(model("qwen2").to(torch.bfloat16)).identity == ours


def test_a_model_without_an_output_layer_is_refused():
    with pytest.raises(ConfigError, match="no lm_head"):
        backbone_of(model("qwen2").model)


def test_the_audio_modality_needs_an_audio_llm():
    with pytest.raises(ConfigError, match="needs an audio-LLM, Qwen2ForCausalLM has no"):
        build_speech_llm(phoneme_model(), backbone("qwen2"), tokenizer(), settings("audio"))


def test_a_projector_of_another_size_is_refused():
    phonemes, llm = phoneme_model(), backbone("qwen2")
    wrong = build_projector(LinearConfig(), 8, 15)
    with pytest.raises(ConfigError, match="from 8 to 15, but the encoder is 8 wide and tokens are"):
        SpeechLlm(phonemes.encoder, wrong, llm, tokenizer(), settings())
    fit = build_projector(LinearConfig(), 8, 16)
    with pytest.raises(ConfigError, match="come together"):
        SpeechLlm(phonemes.encoder, fit, llm, tokenizer(), settings(), head=phonemes.head)


def test_the_modules_load_without_transformers():
    """Only whoever opens a language model pays for its library."""
    names = "adapters audio_llms backbones endtoend generation speechllm_files"
    lines = [f"import sylvian.models.{name}" for name in names.split()]
    lines += ["import sys", "assert not {'transformers', 'peft'} & set(sys.modules)"]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


@pytest.mark.parametrize(("name", "modality"), [("llama", "neural"), ("qwen2_audio", "audio")])
def test_folded_adapters_answer_alike_and_are_gone(name, modality):
    speech = build(name, modality)
    greedy = GreedyConfig(most_tokens=6)
    plain = speech.llm.causal.state_dict()
    before, said = logits(speech.llm), generate(speech, batch(), greedy)
    n_layers = sum(isinstance(own, torch.nn.Linear) for own in backbone(name).modules())
    fold_adapters(speech.llm)
    torch.testing.assert_close(logits(speech.llm), before, atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(generate(speech, batch(), greedy), said, strict=True):
        assert ours.candidates[0].tokens == theirs.candidates[0].tokens
        assert ours.candidates[0].nats == pytest.approx(theirs.candidates[0].nats, abs=1e-4)
    assert len(speech.llm.causal.state_dict()) < len(plain)
    assert not [n for n, _ in speech.llm.named_parameters() if "lora" in n or "base_layer" in n]
    assert sum(isinstance(own, torch.nn.Linear) for own in speech.llm.modules()) == n_layers


def test_folded_adapters_are_neither_saved_nor_replaced(tmp_path):
    speech = build("llama")
    fold_adapters(speech.llm)
    with pytest.raises(ConfigError, match="folded into the language model's layers"):
        save_speech_llm(speech, tmp_path / "saved")
    with pytest.raises(ConfigError, match="folded"):
        add_adapters(speech.llm, LoraConfig(), audio=False)
