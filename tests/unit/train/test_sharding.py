"""What is divided among processes and what is not; alone, so that every shard is the whole."""

from collections.abc import Iterator

import pytest
import torch
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from sylvian.errors import ConfigError
from sylvian.models.backbones import backbone_of
from sylvian.models.encoder import build_encoder
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.generation import generate
from sylvian.models.gru import GruConfig
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm, build_speech_llm
from sylvian.models.speechllm_files import load_speech_llm, save_speech_llm, trainable_state
from sylvian.train.exchange import gather_rows, replicated
from sylvian.train.sharding import add_after_backward, in_step, is_sharded, shard, whole
from tiny.llms import SENTENCES, model, tokenizer
from tiny.speech import SESSIONS, batch, phoneme_model, settings, stir

ALL = LossWeights(contrastive=0.5, ctc=0.25)
CASES = [("llama", "neural"), ("qwen2_audio", "audio")]


@pytest.fixture
def mesh(tmp_path) -> Iterator[DeviceMesh]:
    """A group of one process."""
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def speaking(name: str = "llama", modality: str = "neural", dtype=torch.bfloat16) -> SpeechLlm:
    llm = backbone_of(model(name).to(dtype))
    llm.recompute()
    speech = build_speech_llm(phoneme_model(), llm, tokenizer(), settings(modality), seed=3)
    stir(speech)
    return speech.train()


def in_shards(speech: SpeechLlm) -> set[str]:
    return {label for label, own in speech.named_parameters() if isinstance(own, DTensor)}


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")
@pytest.mark.parametrize(("name", "modality"), CASES)
def test_layers_are_divided_and_adapters_are_not(mesh, name, modality):
    speech = speaking(name, modality)
    types = {label: own.dtype for label, own in speech.named_parameters()}
    expected = {
        label
        for label in types
        if label.startswith(("encoder.blocks.", "llm.causal.model.layers."))
        and "lora_" not in label
    }
    assert sum(types[label] == torch.bfloat16 for label in expected) > 10
    shard(speech, mesh)
    assert in_shards(speech) == expected
    assert {n: p.dtype for n, p in speech.named_parameters()} == types
    given_back: list[set[str]] = []
    speech.llm.causal.get_output_embeddings().register_forward_pre_hook(
        lambda *_: given_back.append(in_shards(speech))
    )
    add_after_backward(speech, True)
    objective = SpeechLlmObjective(speech, ALL, gather=gather_rows)
    objective(batch(labelled=True), SENTENCES).total.backward()
    generate(speech, batch(), GreedyConfig(least_tokens=3), others=in_step(speech))
    assert len(given_back) > 2
    assert all(own == expected for own in given_back)  # after every pass, as ZeRO-3 does
    learned = {n for n, p in speech.named_parameters() if p.grad is not None}
    assert learned == {n for n, p in speech.named_parameters() if p.requires_grad} - {
        "encoder.mask_token"
    }
    assert {p.dtype for p in replicated(speech)} == {torch.float32}


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")
def test_what_was_trained_in_shards_is_saved_whole(mesh, tmp_path):
    speech = speaking()
    truth = {label: own.detach().clone() for label, own in trainable_state(speech).items()}
    shard(speech, mesh)
    weights = whole(trainable_state(speech))
    assert not any(isinstance(own, DTensor) for own in weights.values())
    save_speech_llm(speech, tmp_path / "best", weights=weights)
    again = load_speech_llm(tmp_path / "best", backbone_of(model("llama")), tokenizer())
    found = trainable_state(again)
    assert found.keys() == truth.keys()
    assert all(torch.equal(found[label], own) for label, own in truth.items())


def test_a_model_that_is_whole_asks_nobody():
    speech = speaking()
    assert not is_sharded(speech)
    assert in_step(speech) is None


def test_an_encoder_without_blocks_is_divided_before_a_language_model_only(mesh):
    encoder = build_encoder(GruConfig(width=8, depth=1), SESSIONS)
    llm = backbone_of(model("llama"))
    speech = build_speech_llm(encoder, llm, tokenizer(), settings())
    shard(speech, mesh)
    assert in_shards(speech) and all(label.startswith("llm.") for label in in_shards(speech))
    with pytest.raises(ConfigError, match=r"this encoder has none; use ddp"):
        shard(build_encoder(GruConfig(width=8, depth=1), SESSIONS), mesh)
