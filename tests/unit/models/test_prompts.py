import pytest

from sylvian.errors import ConfigError, DataError
from sylvian.models.prompts import NEURAL, Modality, Prompt, PromptConfig
from tiny.llms import AUDIO_TAGS, END, SENTENCES, tokenizer


def prompt(
    config: PromptConfig | None = None, *, modality: Modality = "neural", **kwargs: object
) -> Prompt:
    words = tokenizer(**kwargs)
    return Prompt(config or PromptConfig(), words, n_embeddings=320, modality=modality)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_come_back(sentence):
    own = prompt()
    tokens = own.encode(sentence)
    assert own.end not in tokens
    assert own.decode(tokens) == sentence
    assert own.decode((*tokens, own.end)) == sentence


def test_the_prompt_is_cut_at_the_marker():
    own, words = prompt(), tokenizer()
    before, after = NEURAL.split("#")
    assert words.decode(own.before) == before
    assert words.decode(own.after) == after
    assert words.convert_ids_to_tokens(own.end) == END


def test_a_prompt_may_begin_or_end_with_the_span():
    assert prompt(PromptConfig(text="# listen")).before == ()
    assert prompt(PromptConfig(text="listen #")).after == ()


def test_sentence_and_prompt_are_tokenized_apart():
    ours, theirs = prompt(), prompt(PromptConfig(text="other words # here"))
    assert ours.encode(SENTENCES[0]) == theirs.encode(SENTENCES[0])


def test_the_audio_tags_are_single_tokens():
    own, words = prompt(modality="audio"), tokenizer()
    assert words.convert_ids_to_tokens(own.before) == [AUDIO_TAGS[0]]
    assert words.convert_ids_to_tokens(own.after[0]) == AUDIO_TAGS[1]


def test_one_prompt_may_serve_both_modalities():
    text = "hear # and write"
    ours, theirs = (prompt(PromptConfig(text=text), modality=m) for m in ("neural", "audio"))
    assert (ours.before, ours.after) == (theirs.before, theirs.after)
    prompt(PromptConfig(text=text), modality="audio", tags=())  # no tags are asked for


def test_the_marker_may_be_another():
    own = prompt(PromptConfig(marker="@"))
    assert (own.before, own.after) == (prompt().before, prompt().after)


def test_a_tokenizer_without_the_special_tokens_is_refused():
    with pytest.raises(ConfigError, match=r"no token '<\|audio_bos\|>'"):
        prompt(modality="audio", tags=())
    with pytest.raises(ConfigError, match="no end-of-sequence token"):
        prompt(end=None)
    with pytest.raises(ConfigError, match="no token '<stop>'"):
        prompt(PromptConfig(end="<stop>"))


def test_another_end_may_be_named():
    own = prompt(PromptConfig(end=AUDIO_TAGS[1]), end=None)
    assert own.end == tokenizer(end=None).convert_tokens_to_ids(AUDIO_TAGS[1])


def test_tokens_the_language_model_cannot_embed_are_refused():
    words = tokenizer()
    highest = max(words.get_vocab().values())
    Prompt(PromptConfig(), words, n_embeddings=highest + 1)
    with pytest.raises(ConfigError, match=f"token {highest}, the language model embeds only"):
        Prompt(PromptConfig(), words, n_embeddings=highest)


def test_the_marker_must_occur_once():
    for text in ("nowhere", "# here and # there"):
        with pytest.raises(ValueError, match="must occur once"):
            PromptConfig(text=text)


def test_empty_and_endless_sentences_are_refused():
    with pytest.raises(DataError, match="empty"):
        prompt().encode(" ")
    short = prompt(PromptConfig(max_tokens=3))
    assert len(short.encode("yes")) <= 3
    with pytest.raises(DataError, match="at most 3 are allowed: 'i would like"):
        short.encode(SENTENCES[0])


def test_nothing_generated_is_an_empty_text():
    own = prompt()
    assert own.decode(()) == own.decode((own.end,)) == ""


def test_the_digest_changes_with_vocabulary_prompt_and_end():
    digests = {
        prompt().digest(),
        prompt(size=290).digest(),
        prompt(PromptConfig(text="other # words")).digest(),
        prompt(PromptConfig(end=AUDIO_TAGS[0])).digest(),
    }
    assert len(digests) == 4
    assert prompt().digest() == prompt().digest()
