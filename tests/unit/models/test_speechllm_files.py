import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.adapters import adapter_names, adapter_state
from sylvian.models.artefact import load_model, save_model
from sylvian.models.encoder import build_encoder
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.pretrained import load_trunk, save_pretrained
from sylvian.models.pretraining import PretrainingModel, ReconstructionConfig
from sylvian.models.projectors import CrossAttentionConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from sylvian.models.speechllm_files import (
    load_adapters,
    load_speech_llm,
    read_speech_llm,
    save_speech_llm,
    trained_state,
)
from tiny.llms import LLMS, SENTENCES, backbone, tokenizer
from tiny.speech import ENCODER, SESSIONS, batch, build, phoneme_model, settings, stir

CASES = [(name, "neural") for name in LLMS] + [("qwen2_audio", "audio")]
every_case = pytest.mark.parametrize(("name", "modality"), CASES)
PARTS = ("encoder.", "head.", "projector.", "aligner.", "llm.")


def step(speech: SpeechLlm) -> None:
    """Let everything that learns move."""
    speech.train()
    weights = LossWeights(ctc=1.0)
    SpeechLlmObjective(speech, weights)(batch(labelled=True), SENTENCES).total.backward()
    with torch.no_grad():
        for parameter in speech.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad.sign()
    speech.eval()


def answers(speech: SpeechLlm) -> torch.Tensor:
    with torch.no_grad():
        found = SpeechLlmObjective(speech, LossWeights(ctc=1.0))(batch(labelled=True), SENTENCES)
        logits, _ = speech(batch(), SENTENCES)
    return torch.cat((logits.flatten(), torch.stack([*found.parts.values()])))


@pytest.fixture
def speech() -> SpeechLlm:
    return build()


@pytest.fixture
def saved(speech, tmp_path) -> Path:
    folder = tmp_path / "best"
    save_speech_llm(speech, folder, {"epoch": 3})
    return folder


def rewrite(path: Path, **changes: object) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | changes))


@every_case
def test_every_trained_part_survives(name, modality, tmp_path):
    """Acceptance check 7 (dossier §11): encoder, projector, adapters, aligner, temperature."""
    speech = build(name, modality)
    before = {label: value.clone() for label, value in speech.state_dict().items()}
    step(speech)
    save_speech_llm(speech, tmp_path / "best")
    again = load_speech_llm(tmp_path / "best", backbone(name), tokenizer())
    ours, theirs = speech.state_dict(), again.state_dict()
    changed = {label for label in ours if not torch.equal(ours[label], before[label])}
    for part in (*PARTS, "aligner.log_scale"):
        assert any(label.startswith(part) for label in changed), part
    assert all(torch.equal(ours[label], theirs[label]) for label in ours)
    assert torch.equal(answers(speech), answers(again))
    assert not again.training


@pytest.mark.parametrize(("name", "modality"), [("llama", "neural"), ("qwen2_audio", "audio")])
def test_a_projector_that_looks_at_text_survives(name, modality, tmp_path):
    speech = build(name, modality, projector=CrossAttentionConfig(hidden=8, texts=32))
    looked_at = speech.llm.embed(torch.arange(32) * 10)  # of 320
    assert torch.equal(speech.projector.text, looked_at)
    step(speech)
    assert speech.projector.residual.item() != 0.5
    save_speech_llm(speech, tmp_path / "best")
    again = load_speech_llm(tmp_path / "best", backbone(name), tokenizer())
    assert all(
        torch.equal(value, again.state_dict()[label])
        for label, value in speech.state_dict().items()
    )
    assert torch.equal(answers(speech), answers(again))
    assert torch.equal(again.projector.text, looked_at)


def test_files_hold_what_was_trained_and_no_more(speech, saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        "adapters.json",
        "adapters.safetensors",
        "speechllm.json",
        "weights.safetensors",
    ]
    weights, adapters = (load_file(saved / f"{n}.safetensors") for n in ("weights", "adapters"))
    assert not any(label.startswith("llm.") or "queue" in label for label in weights)
    assert "aligner.log_scale" in weights and "head.weight" in weights
    assert set(adapters) == set(adapter_names(speech.llm))
    assert all("lora_" in label for label in adapters)
    assert read_speech_llm(saved).extra == {"epoch": 3}


def test_adapters_alone_go_onto_another_copy_of_the_base(speech, saved):
    fresh = backbone("qwen2")
    assert load_adapters(saved, fresh) == speech.config.lora
    for label, tensor in adapter_state(speech.llm).items():
        assert torch.equal(adapter_state(fresh)[label], tensor)
    tokens = torch.arange(6)[None]
    with torch.no_grad():
        assert torch.equal(fresh.causal(tokens).logits, speech.llm.causal(tokens).logits)


def test_without_adapters_aligner_and_head_there_are_fewer_files(tmp_path):
    config = settings(lora=None, alignment=None)
    plain = build_speech_llm(phoneme_model().encoder, backbone("llama"), tokenizer(), config)
    save_speech_llm(plain, tmp_path / "best")
    names = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert names == ["speechllm.json", "weights.safetensors"]
    again = load_speech_llm(tmp_path / "best", backbone("llama"), tokenizer())
    assert again.head is None and again.aligner is None and not adapter_names(again.llm)
    with torch.no_grad():
        ours, theirs = (own.eval()(batch(), SENTENCES)[0] for own in (plain, again))
    assert torch.equal(ours, theirs)


def test_the_precision_of_the_base_may_differ(speech, saved):
    half = backbone("qwen2").to(torch.bfloat16)
    again = load_speech_llm(saved, half, tokenizer())
    assert {p.dtype for n, p in again.llm.named_parameters() if "lora_" in n} == {torch.float32}
    assert again.llm.dtype == torch.bfloat16
    with torch.no_grad():
        logits, _ = again(batch(), SENTENCES)
    assert logits.dtype == torch.float32 and torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("name", "seed", "n_tokens", "said"),
    [
        ("qwen3", 0, 320, "architecture 'Qwen2ForCausalLM', this one has 'Qwen3ForCausalLM'"),
        ("qwen2", 1, 320, "fingerprint"),
        ("qwen2", 0, 330, "n_embeddings 320, this one has 330"),
        ("qwen2_audio", 0, 320, "audio_width None, this one has 12"),
    ],
)
@pytest.mark.parametrize("read", ["whole", "adapters"])
def test_another_backbone_is_refused(saved, name, seed, n_tokens, said, read):
    other = backbone(name, seed=seed, n_tokens=n_tokens)
    with pytest.raises(CheckpointError, match=said):
        if read == "whole":
            load_speech_llm(saved, other, tokenizer())
        else:
            load_adapters(saved, other)
    assert not adapter_names(other)


def test_another_tokenizer_is_refused(saved):
    with pytest.raises(CheckpointError, match="trained with another tokenizer"):
        load_speech_llm(saved, backbone("qwen2"), tokenizer(size=290))


def test_a_tokenizer_without_its_end_is_refused(saved):
    with pytest.raises(CheckpointError, match="no end-of-sequence token"):
        load_speech_llm(saved, backbone("qwen2"), tokenizer(end=None))


def test_a_backbone_that_was_adapted_already_is_refused(speech, saved):
    with pytest.raises(ConfigError, match="has adapters already"):
        load_adapters(saved, speech.llm)
    with pytest.raises(CheckpointError, match="has adapters already"):
        load_speech_llm(saved, speech.llm, tokenizer())


@pytest.mark.parametrize("file", ["weights", "adapters"])
def test_missing_extra_and_misshapen_tensors_are_refused(saved, file):
    path = saved / f"{file}.safetensors"
    tensors = load_file(path)
    label = next(iter(tensors))
    for broken, said in (
        ({k: v for k, v in tensors.items() if k != label}, "1 tensors are missing"),
        (tensors | {"more": torch.zeros(1)}, "'more'"),
        (tensors | {label: torch.zeros(3, 3, 3)}, "asks for"),
    ):
        save_file(broken, path)
        with pytest.raises(CheckpointError, match=said):
            load_speech_llm(saved, backbone("qwen2"), tokenizer())


@pytest.mark.parametrize("name", ["weights.safetensors", "adapters.safetensors", "adapters.json"])
def test_missing_and_damaged_files_are_refused(saved, name):
    (saved / name).write_bytes(b"{ damaged")
    with pytest.raises(CheckpointError, match=name):
        load_speech_llm(saved, backbone("qwen2"), tokenizer())
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_speech_llm(saved, backbone("qwen2"), tokenizer())


@pytest.mark.parametrize("name", ["speechllm.json", "adapters.json"])
def test_other_formats_and_unknown_keys_are_refused(saved, name):
    for change, said in (({"format": 2}, "format 2"), ({"colour": "red"}, "colour")):
        content = (saved / name).read_text()
        rewrite(saved / name, **change)
        with pytest.raises(CheckpointError, match=said):
            load_speech_llm(saved, backbone("qwen2"), tokenizer())
        (saved / name).write_text(content)


def test_pretraining_phonemes_and_sentences_hand_the_trunk_on(tmp_path):
    """Acceptance check 10 (dossier §11): every trunk tensor arrives, stage after stage."""
    pretrained = PretrainingModel(build_encoder(ENCODER, SESSIONS, seed=5), ReconstructionConfig())
    save_pretrained(pretrained, tmp_path / "pretrained")
    phonemes = phoneme_model(seed=6)
    loaded = load_trunk(phonemes.encoder, tmp_path / "pretrained")
    assert set(loaded) == set(phonemes.encoder.trunk_names())
    save_model(phonemes, tmp_path / "phonemes")
    start = load_model(tmp_path / "phonemes")
    speech = build_speech_llm(start, backbone("qwen2"), tokenizer(), settings())
    stir(speech)
    save_speech_llm(speech, tmp_path / "sentences")
    last = load_speech_llm(tmp_path / "sentences", backbone("qwen2"), tokenizer())
    truth, found = pretrained.encoder.state_dict(), last.encoder.state_dict()
    for label in loaded:
        assert torch.equal(found[label], truth[label]), label
    for label, tensor in phonemes.encoder.state_dict().items():  # read-ins of the phoneme stage
        assert torch.equal(found[label], tensor), label
    assert torch.equal(last.head.weight, phonemes.head.weight)
    assert last.vocabulary == phonemes.vocabulary


def test_trained_state_has_every_trainable_tensor_but_the_adapters(speech):
    names = {n for n, p in speech.named_parameters() if p.requires_grad and "lora_" not in n}
    assert names <= set(trained_state(speech))
