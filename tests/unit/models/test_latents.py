"""Every layer's latents, and sentences as a language model represents them."""

import numpy as np
import pytest
import torch

from sylvian.errors import ConfigError, DataError, DecodeError
from sylvian.models.ctc import CtcModel, logits_of
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.latents import OUTPUT, READ_IN, layer_names, layered
from sylvian.models.sentence_vectors import sentence_vectors
from sylvian.models.transformer import TransformerConfig
from tiny import speech
from tiny.text import tiny

SENTENCES = ["we go home", "they went there", "i", "so did she and he"]


def model(depth: int = 3) -> CtcModel:
    config = TransformerConfig(width=8, depth=depth, heads=2, head_width=4, feedforward=8)
    return CtcModel(build_encoder(config, speech.SESSIONS, seed=1), speech.VOCABULARY, seed=1)


def test_layers_are_those_of_the_pass_that_gives_the_logits():
    own, batch = model(), speech.batch()
    found = layered(own, batch)
    assert layer_names(own) == (READ_IN, "block 1", "block 2", OUTPUT)
    for one, said in zip(found, logits_of(own, batch), strict=True):
        assert tuple(one.layers) == layer_names(own)
        np.testing.assert_array_equal(one.logits.values, said.values)
        assert {latents.shape for latents in one.layers.values()} == {(len(said.values), 8)}
        head = own.head(one.layers[OUTPUT]).detach().numpy()
        np.testing.assert_allclose(head, said.values, atol=1e-5)


def test_each_layer_is_what_a_shallower_encoder_gives():
    deep = model(3)
    for depth in (1, 2):
        shallow = model(depth)
        shallow.encoder.load_state_dict(
            {k: deep.encoder.state_dict()[k] for k in shallow.encoder.state_dict()}
        )
        shallow.encoder.norm = torch.nn.Identity()
        expected = layered(shallow, speech.batch())
        for one, other in zip(layered(deep, speech.batch()), expected, strict=True):
            torch.testing.assert_close(one.layers[f"block {depth}"], other.layers[OUTPUT])


def test_a_trials_layers_do_not_depend_on_its_company_and_hooks_go_away():
    own = model()
    together = layered(own, speech.batch((61, 7)))[1]
    alone = layered(own, speech.batch((7,), first=1))[0]
    for name, latents in alone.layers.items():
        torch.testing.assert_close(together.layers[name], latents)
    assert not any(block._forward_pre_hooks for block in own.encoder.blocks)
    own.train()
    layered(own, speech.batch((7,)))
    assert own.training


def test_a_gru_shows_its_output():
    sessions = [SessionSpec(path="toy/T15/2023-08-11", participant="toy/T15", n_channels=3)]
    config = GruConfig(width=4, depth=2, kernel_bins=4, stride_bins=2)
    own = CtcModel(build_encoder(config, sessions), speech.VOCABULARY)
    found = layered(own, speech.batch())
    assert layer_names(own) == (OUTPUT,) == tuple(found[0].layers)
    assert len(found[0].layers[OUTPUT]) == len(found[0].logits.values)


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_sentence_vectors_are_means_over_tokens_whoever_is_beside(layer):
    llm, tokenizer = tiny("llama")
    llm.eval()
    found = sentence_vectors(llm, tokenizer, SENTENCES * 2, layer=layer)
    for row, text in enumerate(SENTENCES):
        ids = tokenizer([text], add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = llm(ids, output_hidden_states=True).hidden_states[layer][0]
        np.testing.assert_allclose(found[row], states.mean(0), atol=1e-5)
        np.testing.assert_allclose(found[row + 4], found[row], atol=1e-5)


def test_sentences_and_layers_that_are_not_there_are_refused():
    llm, tokenizer = tiny("llama")
    with pytest.raises(DataError, match="sentence 1 .* no tokens"):
        sentence_vectors(llm, tokenizer, ["we go", ""])
    with pytest.raises(ConfigError, match="layer 3: the language model has 2"):
        sentence_vectors(llm, tokenizer, SENTENCES, layer=3)
    with torch.no_grad():
        llm.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(DecodeError, match="not finite"):
        sentence_vectors(llm, tokenizer, SENTENCES)
