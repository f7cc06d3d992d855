import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.assembled import (
    AssemblyConfig,
    Ear,
    build_assembled,
    read_ear,
    save_assembled,
    with_tags,
)
from sylvian.models.audio_llms import read_audio_llm
from sylvian.models.backbones import Backbone
from sylvian.models.generation import generate
from sylvian.models.opening import BackboneConfig, open_backbone
from sylvian.models.prompts import Prompt, PromptConfig
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import build_speech_llm
from tiny.llms import WIDTH, model, tokenizer
from tiny.speech import batch, phoneme_model, settings
from tiny.whisper import WIDTH as HEARD
from tiny.whisper import encoder


def sounds(seed=0, n=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(9 + i, HEARD, generator=generator) * 3 + 1 for i in range(n)]


@pytest.fixture
def parts():
    causal, words = model("llama", seed=2), tokenizer(tags=())
    with_tags(causal, words)
    ear = Ear(encoder(seed=1), 2)
    ear.settle(sounds())
    config = AssemblyConfig(frames=2, hidden=20)
    return ear, build_assembled(config, ear.width, causal.get_input_embeddings()), causal, words


def test_the_folder_is_an_audio_llm_like_any_other(parts, tmp_path):
    ear, projector, causal, words = parts
    save_assembled(tmp_path / "audio", *parts, files={"README.md": "what it is\n"})
    llm, read = open_backbone(BackboneConfig(name=str(tmp_path / "audio")))
    truth = Backbone(causal, projector)
    assert llm.identity == truth.identity
    assert llm.audio_width == ear.width == 2 * HEARD
    assert all(torch.equal(llm.state_dict()[n], t) for n, t in truth.state_dict().items())
    assert llm.causal.lm_head.weight is llm.causal.model.embed_tokens.weight
    sound = torch.randn(1, 4, ear.width, generator=torch.Generator().manual_seed(0))
    assert torch.equal(llm.hear(sound), projector(sound))
    assert read.get_vocab() == words.get_vocab()
    n_embeddings = llm.identity.n_embeddings
    Prompt(PromptConfig(), read, n_embeddings=n_embeddings, modality="audio")  # the tags are there
    assert (tmp_path / "audio/README.md").read_text() == "what it is\n"


def test_neural_activity_takes_the_place_of_sound(parts, tmp_path):
    """The whole way: recordings through the projector that learned from speech, to a loss."""
    save_assembled(tmp_path / "audio", *parts, files={})
    llm, words = open_backbone(BackboneConfig(name=str(tmp_path / "audio")))
    speech = build_speech_llm(phoneme_model(), llm, words, settings("audio"), seed=3)
    assert speech.projector.out_width == 2 * HEARD
    recordings = batch((40, 33))
    logits, targets = speech(recordings, ["yes", "not too controversial"])
    torch.nn.functional.cross_entropy(logits, targets).backward()
    gradient = next(speech.projector.parameters()).grad
    assert gradient is not None and gradient.abs().sum() > 0
    learned = {n for n, p in speech.llm.named_parameters() if p.grad is not None}
    assert learned and all(".lora_" in name for name in learned)
    assert any(name.startswith("audio.linear_1") for name in learned)
    assert len(generate(speech.eval(), recordings, GreedyConfig(most_tokens=4))) == 2


def test_the_ear_comes_back_whole(parts, tmp_path):
    ear = parts[0]
    save_assembled(tmp_path / "audio", *parts, files={})
    read = read_ear(tmp_path / "audio")
    assert all(torch.equal(read.state_dict()[n], t) for n, t in ear.state_dict().items())
    assert read.frames == 2 and not read.training
    assert torch.equal(read.join(sounds()[0]), ear.join(sounds()[0]))
    mel = torch.randn(1, 80, 400, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(read.encoder(mel).last_hidden_state, ear.encoder(mel).last_hidden_state)


def test_weights_that_float16_holds_are_written_in_it(parts, tmp_path):
    _, _, causal, _ = parts
    causal.half().float()
    save_assembled(tmp_path / "half", *parts, files={})
    kinds = {n: t.dtype for n, t in load_file(tmp_path / "half/model.safetensors").items()}
    assert kinds["language_model.model.embed_tokens.weight"] == torch.float16
    assert kinds["multi_modal_projector.linear_1.weight"] == torch.float32
    with torch.no_grad():
        causal.model.norm.weight[0] = 1 + 2**-20
    save_assembled(tmp_path / "whole", *parts, files={})
    read = read_audio_llm(tmp_path / "whole").state_dict()
    assert float(read["causal.model.norm.weight"][0]) == 1 + 2**-20


def test_frames_are_joined_and_standardised(parts):
    ear = parts[0]
    joined = [ear.join(own) for own in sounds()]
    assert [len(own) for own in joined] == [4, 5, 5]  # of 9, 10 and 11 frames
    every = torch.cat(joined)
    assert torch.allclose(every.mean(0), torch.zeros(ear.width), atol=1e-5)
    assert torch.allclose(every.std(0, correction=0), torch.ones(ear.width), atol=1e-4)
    raw = joined[0] * ear.std + ear.mean
    assert torch.allclose(raw.reshape(8, HEARD), sounds()[0][:8], atol=1e-5)


def test_tokens_are_as_large_as_embeddings(parts):
    _, projector, causal, _ = parts
    made = projector(torch.randn(50, 2 * HEARD, generator=torch.Generator().manual_seed(0)))
    typical = causal.get_input_embeddings().weight.norm(dim=1).median()
    assert torch.allclose(made.norm(dim=1), typical.expand(50), rtol=0.05)


def test_tags_get_the_average_embedding_and_change_nothing_else():
    causal, words = model("llama", seed=2), tokenizer(tags=(), size=290)
    before = causal.get_input_embeddings().weight.detach().clone()
    tokens = torch.arange(7)[None]
    with torch.no_grad():
        logits = causal(tokens).logits
        with_tags(causal, words)
        after = causal(tokens).logits
    assert torch.equal(logits[..., :280], after[..., :280])
    mean = before.mean(0).half().float()
    for tag in ("<|audio_bos|>", "<|audio_eos|>"):
        number = words.convert_tokens_to_ids(tag)
        assert torch.equal(causal.get_input_embeddings().weight[number], mean)


def test_a_tokenizer_of_another_model_is_refused():
    with pytest.raises(ConfigError, match="the language model embeds 200"):
        with_tags(model("llama", n_tokens=200), tokenizer(tags=()))


@pytest.mark.parametrize(
    "assembly", [None, {}, {"frames": 0}, {"frames": 2, "hidden": 20, "more": 1}, 3]
)
def test_sizes_that_make_no_sense_are_refused(assembly, parts, tmp_path):
    save_assembled(tmp_path / "audio", *parts, files={})
    path = tmp_path / "audio/config.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps(described | {"assembly": assembly}))
    for read in (read_audio_llm, read_ear):
        with pytest.raises(CheckpointError, match=r"config\.json|model\.safetensors|audio\."):
            read(tmp_path / "audio")


@pytest.mark.parametrize(
    ("name", "reads"),
    [("multi_modal_projector.linear_2.weight", read_audio_llm), ("audio_tower.mean", read_ear)],
)
def test_a_missing_tensor_and_another_width_are_named(name, reads, parts, tmp_path):
    save_assembled(tmp_path / "audio", *parts, files={})
    path = tmp_path / "audio/model.safetensors"
    tensors = load_file(path)
    short = name.split(".", 1)[1]
    save_file(tensors | {name: torch.ones(WIDTH + 5, 3)}, path)
    with pytest.raises(CheckpointError, match=short):
        reads(tmp_path / "audio")
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=short):
        reads(tmp_path / "audio")
