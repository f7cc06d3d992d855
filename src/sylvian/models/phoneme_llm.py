"""A language model that reads recognised phonemes and writes the sentence.

Every stretch of phonemes between two `SIL` is one token of the prompt: the mean embedding of the
words that sound like it, weighted by how likely each is, plus what a small recurrent network makes
of the phonemes themselves. The language model sees something close to garbled text, which it can
copy and mend from the first step of training, and a prompt no longer than the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from sylvian.models.backbones import Backbone
from sylvian.models.prefixtree import PrefixTree
from sylvian.models.sentence_search import BeamConfig, Reader, Search, run, start_search
from sylvian.models.sequences import IGNORED, side_by_side
from sylvian.models.textlm import as_written, start_token
from sylvian.text import SIL, normalize_sentence, phoneme_vocabulary
from sylvian.text.soundalikes import Sounds
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

SEPARATOR = "\n"  # between what was heard and the sentence
END = "."  # prose closes with one, so that ending is nothing new to learn
PHONEME_S = 0.1  # room for tokens is asked per second


class PhonemeLlm(nn.Module):
    """Writes sentences from recognised phonemes, and says how likely given ones are.

    Args:
        llm: The language model; its layers learn, its embeddings stay. On a CPU, attention of kind
            `eager` trains fastest, the sequences are short.
        tokenizer: Its tokenizer, of transformers.
        words: Words of the `Soundalikes` whose sounds it reads, by number.
        width: Of the recurrent network, each way.
        seed: Decides its initial weights; torch's own random state is left alone.
    """

    words: Tensor

    def __init__(
        self,
        llm: Backbone,
        tokenizer: Any,
        words: Sequence[str],
        *,
        width: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.llm, self._tokenizer = llm, tokenizer
        self.start = start_token(tokenizer, llm.identity.architecture)
        self._separator, self.end = self._tokens(SEPARATOR)[-1], self._tokens(f"a{END}")[-1]
        self._code = {token: i for i, token in enumerate(phoneme_vocabulary().tokens)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.phonemes = nn.Embedding(len(self._code), width // 2)
            self.sound = nn.GRU(width // 2, width, batch_first=True, bidirectional=True)
            self.into = nn.Linear(2 * width, llm.width)
        nn.init.zeros_(self.into.weight)  # at first, the words that sound so are all there is
        nn.init.zeros_(self.into.bias)
        self.register_buffer("words", self._mean_embeddings(words), persistent=False)
        embedding = llm.causal.get_input_embeddings()  # type: ignore[operator]
        llm.requires_grad_(True)
        embedding.weight.requires_grad_(False)

    def prompts(self, heard: Sequence[Sounds]) -> list[Float[Tensor, "places width"]]:
        """Embed what was heard, between a start token and a separator."""
        edges = self.llm.embed(torch.tensor([self.start, self._separator]))
        filled = [own for own in heard if own.phonemes]
        soft = iter(self._soft(filled)) if filled else iter(())
        return [
            torch.cat((edges[:1], next(soft), edges[1:])) if own.phonemes else edges
            for own in heard
        ]

    def loss(
        self, heard: Sequence[Sounds], sentences: Sequence[str]
    ) -> tuple[Float[Tensor, ""], int]:
        """Give the cross-entropy (nats) of all sentences and their ends, and their tokens."""
        rows, labels = [], []
        for prompt, sentence in zip(self.prompts(heard), sentences, strict=True):
            target = torch.tensor((*self.encode(sentence), self.end))
            rows.append(torch.cat((prompt, self.llm.embed(target))))
            labels.append(torch.cat((target.new_full((len(prompt),), IGNORED), target)))
        sequences = side_by_side(rows, labels, pad="right")
        chosen = sequences.labels[:, 1:] != IGNORED
        logits = self.llm.predict(self.llm.read(sequences)[:, :-1][chosen])
        targets = sequences.labels[:, 1:][chosen]
        return functional.cross_entropy(logits, targets, reduction="sum"), len(targets)

    @torch.no_grad()
    def score(
        self, heard: Sequence[Sounds], texts: Sequence[Sequence[str]]
    ) -> list[Float64[np.ndarray, " sentences"]]:
        """Give the log-probability (nats) of sentences and their ends, given what was heard.

        All trials share one pass; sentences of a trial that begin alike share the computation.

        Args:
            heard: The trials.
            texts: Normalised sentences for each of them, at least one.
        """
        trees = [
            PrefixTree.grow(self._separator, [(*self.encode(text), self.end) for text in own])
            for own in texts
        ]
        prompts = [prompt[:-1] for prompt in self.prompts(heard)]  # the separator is the root
        hidden = self._read_trees(prompts, trees)
        return [self._totals(own, tree) for own, tree in zip(hidden, trees, strict=True)]

    @torch.no_grad()
    def generate(
        self, keys: Sequence[TrialKey], heard: Sequence[Sounds], config: BeamConfig
    ) -> list[NBest]:
        """Write sentences free-running; their `end_to_end` score is their log-probability."""
        searches: list[Search] = [
            start_search(config, row, key, seconds=_seconds(own), end=self.end)
            for row, (key, own) in enumerate(zip(keys, heard, strict=True))
        ]
        run(Reader(self.llm, side_by_side(self.prompts(heard), pad="left")), searches)
        return [self._nbest(key, own) for key, own in zip(keys, searches, strict=True)]

    def encode(self, sentence: str) -> tuple[int, ...]:
        """Give the tokens of a normalised sentence, written as prose; none for an empty one."""
        return self._tokens(as_written(sentence))

    def tuned_state(self) -> dict[str, Tensor]:
        """Give every tensor that learns."""
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}

    def _nbest(self, key: TrialKey, search: Search) -> NBest:
        found: dict[str, Hypothesis] = {}
        for own in search.best():
            text = normalize_sentence(
                self._tokenizer.decode(list(own.tokens), skip_special_tokens=True)
            )
            scores = Scores(0.0, n_words=len(text.split()), end_to_end=own.nats)
            found.setdefault(text, Hypothesis(text, (), scores))
        return NBest(key, tuple(found.values()))

    def _soft(self, heard: Sequence[Sounds]) -> list[Tensor]:
        strings = [self._coded(own) for own in heard]
        lengths = torch.tensor([len(codes) for codes, _ in strings])
        padded = pad_sequence([torch.tensor(codes) for codes, _ in strings], batch_first=True)
        packed = pack_padded_sequence(
            self.phonemes(padded), lengths, batch_first=True, enforce_sorted=False
        )
        out, _ = pad_packed_sequence(self.sound(packed)[0], batch_first=True)
        found = []
        for row, (own, (_, ends)) in enumerate(zip(heard, strings, strict=True)):
            shares = torch.from_numpy(own.shares).to(self.words.dtype)
            alike = (shares.unsqueeze(-1) * self.words[torch.from_numpy(own.words)]).sum(1)
            found.append(alike + self.into(out[row, ends]).to(alike.dtype))
        return found

    def _coded(self, own: Sounds) -> tuple[list[int], list[int]]:
        """Number the phonemes, each stretch closed by `SIL`, and say where those are."""
        codes = [[self._code[p] for p in (*part, SIL)] for part in own.phonemes]
        ends = np.cumsum([len(part) for part in codes]) - 1
        return [code for part in codes for code in part], ends.tolist()

    def _totals(
        self, hidden: Float[Tensor, "nodes width"], tree: PrefixTree
    ) -> Float64[np.ndarray, " sentences"]:
        inner = tree.inner
        nats = self.llm.predict(hidden[torch.from_numpy(inner)]).log_softmax(-1)
        row_of = np.zeros(len(tree.tokens), dtype=np.int64)
        row_of[inner] = np.arange(len(inner))
        return tree.totals(nats[row_of[tree.parents], tree.tokens].double().numpy())

    def _read_trees(
        self, prompts: Sequence[Float[Tensor, "_ width"]], trees: Sequence[PrefixTree]
    ) -> list[Float[Tensor, "_ width"]]:
        """Read prompts and the trees behind them side by side; give the trees' hidden states."""
        rows, places = [], []
        n_nodes = sum(map(len, prompts)) + sum(len(tree.tokens) for tree in trees)
        sees = torch.zeros(n_nodes, n_nodes, dtype=torch.bool)
        first = 0
        for prompt, tree in zip(prompts, trees, strict=True):
            root, end = first + len(prompt), first + len(prompt) + len(tree.tokens)
            sees[first:end, first:end] = torch.ones(end - first, end - first).tril().bool()
            sees[root:end, root:end] = torch.from_numpy(tree.sees)
            rows += [prompt, self.llm.embed(torch.from_numpy(tree.tokens))]
            places += [torch.arange(len(prompt)), torch.from_numpy(tree.depths) + len(prompt)]
            first = end
        embeds = torch.cat(rows)
        hidden = torch.zeros(sees.shape, dtype=embeds.dtype)
        hidden.masked_fill_(~sees, torch.finfo(embeds.dtype).min)
        causal: Any = self.llm.causal
        read: Tensor = causal.get_decoder()(
            inputs_embeds=embeds[None],
            attention_mask=hidden[None, None],
            position_ids=torch.cat(places)[None],
            use_cache=False,
        ).last_hidden_state
        return list(torch.split(read[0], [len(row) for row in rows])[1::2])

    def _mean_embeddings(self, words: Sequence[str]) -> Float[Tensor, "words width"]:
        ids = self._tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
        flat = torch.tensor([token for own in ids for token in own])
        starts = torch.tensor(np.cumsum([0, *(len(own) for own in ids[:-1])]))
        causal: Any = self.llm.causal
        table = causal.get_input_embeddings().weight.detach()
        return functional.embedding_bag(flat, table, starts, mode="mean")

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def _seconds(heard: Sounds) -> float:
    return PHONEME_S * sum(len(part) + 1 for part in heard.phonemes)
