"""A causal language model of text: the log-probability of whole sentences.

Transformers opens the models; it is imported when one is opened. `Written` says how a decoder's
bare words are shown to a model that has read books.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float64
from pydantic import Field

from sylvian.config import Config
from sylvian.errors import CheckpointError, DecodeError
from sylvian.models.prefixtree import PrefixTree, hiding, parcels

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DOCUMENT_START = "<|endoftext|>"
SENTENCE_ENDS = (".", "?", "!")
ALIKE = 1e-3  # nats a sentence may change in company; float32 changes it by 1e-5


class TextLmConfig(Config):
    """How a language model of text reads sentences.

    The published second pass (paper.md section 5.2, formula 5) is `style` plain.
    """

    style: Literal["written", "plain"] = Field(
        "written",
        description="`written`: capitals at the beginning and of I, and a closing mark, whichever; "
        "`plain`: the decoder's lower-case words, left open.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision; auto: float32 on a CPU, bfloat16 on a GPU."
    )
    device: str = Field("auto", description="`cpu`, `cuda`, ...; auto: a GPU if there is one.")
    max_nodes: int = Field(
        512,
        ge=1,
        description="Most tokens in a forward pass; beginnings that are shared count once.",
    )


class CausalLm:
    """Scores sentences; `hub.open_text_lm` finds one by name.

    Attributes:
        name: What the model was opened as.
        start: Token before every sentence.
        digest: Twelve hexadecimal digits of everything the scores depend on.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str = "",
        config: TextLmConfig | None = None,
    ) -> None:
        """Take a model and its tokenizer, which must belong together.

        Raises:
            CheckpointError: the tokenizer has no token to start with, or more than the model.
        """
        self.name, self.config = name, config or TextLmConfig()
        self._tokenizer = tokenizer
        self._model: Any = model  # transformers is typed in parts
        self._model.train(mode=False)
        self._device = next(model.parameters()).device
        self._takes_rows = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.start = start_token(tokenizer, name)
        _require_same_tokens(model, tokenizer, name)
        self._ends = self._closing_marks()
        self.digest = self._digest()
        self._shares = True
        self._shares = self._can_share()

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self._model.parameters())

    @property
    def n_bytes(self) -> int:
        """Memory of the weights."""
        return sum(p.numel() * p.element_size() for p in self._model.parameters())

    def score_sentences(self, texts: Sequence[str]) -> Float64[np.ndarray, " sentences"]:
        """Give the log-probability of each sentence in nats; of the empty one it is 0.

        Sentences that begin alike share the computation. There is no padding: what a sentence is
        scored with changes its score by rounding only.

        Args:
            texts: Normalised sentences, in any order, repeated or not.

        Raises:
            DecodeError: a sentence is longer than the model can read, or a score is not finite.

        Source: formula 5 of paper.md section 5.2, without the length penalty, which is 0
        throughout; the start token is not scored.
        """
        sequences = self._tokens(texts)
        nats = np.zeros(len(texts))
        for parcel in parcels(sequences, max_nodes=self.config.max_nodes if self._shares else 1):
            nats[parcel] = self._score([sequences[i] for i in parcel])
        nats[[not text for text in texts]] = 0.0
        if not np.isfinite(nats).all():
            worst = texts[int(np.argmin(np.isfinite(nats)))]
            raise DecodeError(
                f"{self.name}: the log-probability of {worst!r} is not finite; try dtype=float32"
            )
        return nats

    def _tokens(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        if not texts:
            return []
        shown = [as_written(t) for t in texts] if self.config.style == "written" else list(texts)
        ids = self._tokenizer(shown, add_special_tokens=False)["input_ids"]
        longest = max(range(len(ids)), key=lambda i: len(ids[i]))
        room = getattr(self._model.config, "max_position_embeddings", None)
        if room is not None and len(ids[longest]) >= room:
            raise DecodeError(
                f"{self.name} reads at most {room - 1} tokens, {texts[longest][:40]!r}... has "
                f"{len(ids[longest])}; rescore with another model"
            )
        return [tuple(one) for one in ids]

    def _score(self, sequences: Sequence[Sequence[int]]) -> Float64[np.ndarray, " sentences"]:
        tree = PrefixTree.grow(self.start, sequences)
        rows = np.union1d(tree.inner, tree.ends) if self._ends else tree.inner
        if not len(rows):
            return np.zeros(len(sequences))
        with torch.inference_mode():
            logits = self._logits(tree, torch.from_numpy(rows)).float().log_softmax(-1).cpu()
        total = tree.totals(tree.nats(rows, logits))
        if self._ends:
            last = np.searchsorted(rows, tree.ends)
            ending = logits[last][:, self._ends].double().logsumexp(-1)
            total = total + ending.numpy()
        return total

    def _logits(self, tree: PrefixTree, rows: torch.Tensor) -> torch.Tensor:
        """Run the model over a tree; a single sentence needs no mask of its own."""
        inputs: dict[str, Any] = {"input_ids": self._row(tree.tokens), "use_cache": False}
        if len(tree.ends) > 1:
            mask = hiding(tree.sees, dtype=self._model.dtype, device=self._device)
            inputs |= {"attention_mask": mask, "position_ids": self._row(tree.depths)}
        rows = rows.to(self._device)
        if self._takes_rows:
            return torch.as_tensor(self._model(**inputs, logits_to_keep=rows).logits[0])
        return torch.as_tensor(self._model(**inputs).logits[0, rows])

    def _row(self, values: Any) -> torch.Tensor:
        return torch.from_numpy(values)[None].to(self._device)

    def _closing_marks(self) -> list[int]:
        """Tokens of the marks that close a sentence, where each is one token."""
        if self.config.style == "plain":
            return []
        pairs = self._tokenizer([f"a{m}" for m in SENTENCE_ENDS], add_special_tokens=False)
        marks = [ids[-1] for ids in pairs["input_ids"] if len(ids) == 2]
        if not marks:
            raise CheckpointError(f"{self.name}: no token closes a sentence; use style=plain")
        return marks

    def _can_share(self) -> bool:
        """Try whether the architecture honours the tree's mask; some make their own."""
        pair = self._tokens(["we go home", "we go there", "they go"])
        alone = np.concatenate([self._score([one]) for one in pair])
        try:
            together = self._score(pair)
        except (RuntimeError, TypeError, ValueError):  # not the mask it is used to
            return False
        tolerance = ALIKE if self._model.dtype == torch.float32 else 1.0
        return bool(np.abs(together - alone).max() < tolerance)

    def _digest(self) -> str:
        """Hash the config, the tokens and a sample of every tensor's values."""
        whole = hashlib.sha256(self.config.style.encode())
        whole.update(str(self._model.dtype).encode())
        probe = self._tokenizer(["We don't know 12 of them."], add_special_tokens=False)
        whole.update(repr((self.start, self._ends, probe["input_ids"])).encode())
        for name, values in sorted(self._model.state_dict().items()):
            flat = values.flatten()
            step = max(1, len(flat) // 4096)
            whole.update(f"{name}{tuple(values.shape)}".encode())
            whole.update(flat[::step].float().cpu().numpy().tobytes())
        return whole.hexdigest()[:12]


def start_token(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    """Find the token that stood before a text when the model learned to read.

    It is what the tokenizer itself puts before a text, if it does: OPT's `</s>`, whose vocabulary
    also has GPT-2's `<|endoftext|>`, which OPT has never read. Else `<|endoftext|>`, which parts
    documents wherever a tokenizer has it; a chat model's own begin token is the mark of a speaker
    instead (SmolLM2: 6 nats worse on a plain sentence). Else the begin token.

    Raises:
        CheckpointError: the tokenizer has none of these.
    """
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    first, *others = tokenizer("a")["input_ids"]
    if others[: len(bare)] == bare:
        return int(first)
    known = tokenizer.get_vocab()
    if DOCUMENT_START in known:
        return int(known[DOCUMENT_START])
    if tokenizer.bos_token_id is not None:
        return int(tokenizer.bos_token_id)
    raise CheckpointError(
        f"{name}: its tokenizer has no token to start a sentence with; set bos_token in its "
        "tokenizer_config.json"
    )


def as_written(text: str) -> str:
    """Write a decoder's words as prose has them: capitals at the beginning and of I."""
    words = [w.capitalize() if w == "i" or w.startswith("i'") else w for w in text.split()]
    joined = " ".join(words)
    return joined[:1].upper() + joined[1:]


def _require_same_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    embedding: Any = model.get_input_embeddings()
    rows = embedding.weight.shape[0]
    largest = max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise CheckpointError(
            f"{name}: the tokenizer knows {largest + 1} tokens, the model {rows}; they do not "
            "belong together"
        )
