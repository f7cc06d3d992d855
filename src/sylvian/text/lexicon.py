"""Which phonemes make which word: an immutable pronunciation dictionary."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

from sylvian.errors import DecodeError
from sylvian.text.g2p import VOWELS, Pronunciation, pronounce_parts
from sylvian.text.normalize import normalize_sentence
from sylvian.text.vocabulary import PHONES, SIL

_STRESSED = {vowel + digit: vowel for vowel in VOWELS for digit in "012"}
_SOUNDS = {p: p for p in PHONES} | _STRESSED
_VARIANT = re.compile(r"(.+)\(\d+\)")
_SAYABLE = re.compile(r"(?=.*[a-z])[a-z'-]+")


class Lexicon(Mapping[str, tuple[Pronunciation, ...]]):
    """Words (lower case) and their pronunciations; a read-only mapping.

    A pronunciation is a tuple of ARPABET phones without stress and without `SIL`; a word has at
    least one, the preferred one first, none of them twice.
    """

    def __init__(self, entries: Mapping[str, Iterable[Iterable[str]]]) -> None:
        """Build from plain data.

        Args:
            entries: Pronunciations of each word, preferred first; stress digits are dropped.

        Raises:
            DecodeError: a word is empty or holds white space or capitals, has no pronunciation, or
                a pronunciation is empty or has an unknown phone.
        """
        self._entries = {word: _checked(word, spoken) for word, spoken in entries.items()}

    @classmethod
    def _of(cls, entries: dict[str, tuple[Pronunciation, ...]]) -> Lexicon:
        lexicon = cls({})
        lexicon._entries = entries
        return lexicon

    @classmethod
    def cmudict(cls) -> Lexicon:
        """Return the packaged CMU Pronouncing Dictionary, read once per process.

        Only words that `normalize_sentence` can produce are kept: 127 of its 135,166 lines, such as
        `a.m.`, are left out.

        Source: github.com/cmusphinx/cmudict, BSD licence (beside the file in `resources`).
        """
        return _cmudict()

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """Read a pronunciation dictionary, gzipped if its name ends in `.gz`.

        A line is a word and its phones. Stress digits, a closing `|` (LightBeam), comments (`;;;`
        lines, ` #` tails), `word(2)` and repeated words as further pronunciations, and capitals
        (CMUdict 0.7b, nejm-brain-to-text) are understood.

        Raises:
            DecodeError: the file cannot be read, or a line has no phones or an unknown phone; the
                message starts with file and line.
        """
        try:
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        except (OSError, EOFError, UnicodeDecodeError) as failure:
            raise DecodeError(
                f"{path}: cannot be read as a lexicon ({failure}); give UTF-8 text or .gz"
            ) from None
        return cls._of(_parse(text, str(path)))

    def write(self, path: Path) -> None:
        """Write in CMUdict form, sorted by word, gzipped if the name ends in `.gz`.

        The file appears whole or not at all, and equal lexicons give equal bytes.
        """
        body = "".join(f"{line}\n" for line in self._lines()).encode()
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(gzip.compress(body, mtime=0) if path.suffix == ".gz" else body)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in the order they were read."""
        return tuple(self._entries)

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with any word or pronunciation."""
        return hashlib.sha256("\n".join(self._lines()).encode()).hexdigest()[:16]

    def __getitem__(self, word: str) -> tuple[Pronunciation, ...]:
        return self._entries[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Lexicon({len(self)} words)"

    def restrict(self, words: Iterable[str]) -> Lexicon:
        """Keep only these words; words that are not in the lexicon are passed over."""
        wanted = set(words)
        return Lexicon._of({w: spoken for w, spoken in self._entries.items() if w in wanted})

    def extended(self, words: Iterable[str]) -> Lexicon:
        """Add the words that are missing, pronounced as `pronounce` does.

        Words without any letter, which nobody can say, are passed over.
        """
        spoken = {word: self.pronounce(word) for word in words if word not in self._entries}
        return Lexicon._of(self._entries | {w: (p,) for w, p in spoken.items() if p})

    def pronounce(self, word: str) -> Pronunciation:
        """Say one normalised word, known or not.

        A known word has its preferred pronunciation. An unknown one is taken apart at hyphens and
        apostrophes, its known parts are looked up, and the rest is spoken as by `letter_to_sound`.

        Returns:
            The phones; empty for a word without letters.
        """
        return self._look_up(word) or pronounce_parts(word, self._look_up)

    def phonemes(self, sentence: str) -> tuple[str, ...]:
        """Give the label sequence of a sentence: the phones of each word, each word closed by SIL.

        Args:
            sentence: Text as published; it is normalised first.

        Returns:
            Phones and `SIL`; empty for a sentence without words.

        Source: `sentence_to_phonemes` of nejm-brain-to-text, which has g2p_en in our lexicon's
        place and gives an empty sentence one `SIL`.
        """
        spoken = (self.pronounce(word) for word in normalize_sentence(sentence).split())
        return tuple(phone for phones in spoken if phones for phone in (*phones, SIL))

    def _look_up(self, word: str) -> Pronunciation | None:
        known = self._entries.get(word)
        return known[0] if known else None

    def _lines(self) -> Iterator[str]:
        for word in sorted(self._entries):
            for number, phones in enumerate(self._entries[word], 1):
                variant = f"({number})" if number > 1 else ""
                yield f"{word}{variant} {' '.join(phones)}"


@cache
def _cmudict() -> Lexicon:
    resource = files("sylvian") / "resources" / "cmudict" / "cmudict.dict.gz"
    entries = _parse(gzip.decompress(resource.read_bytes()).decode(), "cmudict.dict")
    return Lexicon._of({w: spoken for w, spoken in entries.items() if _SAYABLE.fullmatch(w)})


def _parse(text: str, where: str) -> dict[str, tuple[Pronunciation, ...]]:
    entries: dict[str, tuple[Pronunciation, ...]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        head, *fields = line.split() or [";;;"]
        if head.startswith(";;;"):
            continue
        try:
            phones = tuple([_SOUNDS[field] for field in fields])
        except KeyError:
            phones = _careful(fields, f"{where}:{number}")
        if not phones:
            raise DecodeError(f"{where}:{number}: {line!r} has no phones; write WORD PH1 PH2")
        word = _headword(head)
        known = entries.get(word, ())
        if phones not in known:
            entries[word] = (*known, phones)
    return entries


def _headword(head: str) -> str:
    variant = _VARIANT.fullmatch(head) if head.endswith(")") else None
    return (variant[1] if variant else head).lower()


def _careful(fields: list[str], where: str) -> Pronunciation:
    comment = next((i for i, field in enumerate(fields) if field.startswith("#")), len(fields))
    sounds = fields[:comment]
    if sounds and sounds[-1] == "|":
        sounds.pop()
    unknown = [sound for sound in sounds if sound not in _SOUNDS]
    if unknown:
        raise DecodeError(f"{where}: {unknown[0]!r} is not an ARPABET phone; see text.PHONES")
    return tuple(_SOUNDS[sound] for sound in sounds)


def _checked(word: str, spoken: Iterable[Iterable[str]]) -> tuple[Pronunciation, ...]:
    if not word or word != word.lower() or len(word.split()) != 1:
        raise DecodeError(f"{word!r} is not a lexicon word; use lower case without white space")
    found = dict.fromkeys(_careful(list(phones), f"word {word!r}") for phones in spoken)
    if not found or () in found:
        raise DecodeError(f"word {word!r} has an empty pronunciation or none; give its phones")
    return tuple(found)
