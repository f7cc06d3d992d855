"""The normaliser against the published rules (paper §5.3) and against published references."""

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.text import normalize_sentence

RULES = ((r"[^a-zA-Z\- ']", ""), (r"- ", " "), (r"--", ""), (r" '", "'"))
english = st.text(alphabet="abXY'- .,!?3\u2014\n\t", max_size=30)


def by_the_rules(text: str) -> str:
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return " ".join(text.lower().split())


@given(english)
@settings(max_examples=500)
def test_rules_of_the_benchmark(text: str) -> None:
    assert normalize_sentence(text) == by_the_rules(text)


@given(st.text(max_size=30))
def test_rules_of_the_benchmark_for_any_text(text: str) -> None:
    """U+2019 is the one character we read otherwise, see `normalize_sentence`."""
    assert normalize_sentence(text) == by_the_rules(text.replace("\u2019", "'"))


def test_published_references_of_t15(shared_data: Path) -> None:
    folder = shared_data / "t15_decodes"
    if not folder.is_dir():
        pytest.skip(f"no T15 decodes at {folder}")
    with gzip.open(folder / "val_baseline_1gram_detailed.csv.gz", "rt") as file:
        prompts = [row["true_sentence"] for row in csv.DictReader(file)]
    with gzip.open(folder / "val_words_10cand_causal_transformer_llm.jsonl.gz", "rt") as file:
        references = [json.loads(line)["ref"] for line in file]
    assert [normalize_sentence(prompt) for prompt in prompts] == references
