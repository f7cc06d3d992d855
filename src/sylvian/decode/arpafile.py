"""ARPA files: read those of SRILM, KenLM and others, write our own; plain or gzipped."""

from __future__ import annotations

import gzip
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float, Float32, Int32

from sylvian.decode.arpa import SPECIAL, ArpaModel, Level, assemble
from sylvian.decode.files import whole
from sylvian.errors import DecodeError

_LN10 = math.log(10.0)
_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
_ROWS = 100_000
_ZERO = -99.0  # how ARPA files write the logarithm of nothing
_ROUNDING = 1e-3

_Block = tuple[
    Int32[np.ndarray, "rows order"], Float32[np.ndarray, " rows"], Float32[np.ndarray, " rows"]
]


def read_arpa(path: Path) -> ArpaModel:
    """Read an ARPA file, gzipped or not.

    Probabilities become natural logs. A model whose every word is in capitals (the published
    Brain-to-Text models) is lower-cased, as lexicon and hypotheses are lower case here.

    Raises:
        DecodeError: the file cannot be read or is malformed; the message has file and line.
    """
    try:
        with _open(path) as stream:
            return _Reader(stream, path).read()
    except (OSError, EOFError, UnicodeDecodeError) as failure:
        raise DecodeError(
            f"{path}: cannot be read as ARPA ({failure}); give a text or .gz file"
        ) from None


def write_arpa(model: ArpaModel, path: Path) -> None:
    """Write a model as ARPA text (log10), gzipped if the name ends in `.gz`.

    Back-off weights are written where a longer n-gram could use them. The file appears whole or
    not at all.
    """
    with whole(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream:
                stream.writelines(_lines(model))
        else:
            raw.writelines(_lines(model))


def _open(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path) if zipped else path.open("rb")


class _Reader:
    """One pass over the lines of an ARPA file; remembers where it is for messages."""

    def __init__(self, stream: io.BufferedIOBase, path: Path) -> None:
        self._lines = iter(stream)
        self._path = path
        self._number = 0
        self._index: dict[bytes, int] = {}

    def read(self) -> ArpaModel:
        counts, line = self._header()
        levels = []
        for n, count in enumerate(counts, 1):
            self._require(line, f"\\{n}-grams:")
            levels.append(self._section(n, count))
            line = self._line()
        self._require(line, "\\end\\")
        try:
            return assemble(_spelled(self._index), levels)
        except DecodeError as failure:
            raise DecodeError(f"{self._path}: {failure}") from None

    def _fail(self, what: str, do: str, line: int | None = None) -> NoReturn:
        raise DecodeError(f"{self._path}:{line or self._number}: {what}; {do}")

    def _line(self, missing: str = "the file ends early") -> bytes:
        line = b""
        while not line:
            raw = next(self._lines, None)
            if raw is None:
                self._fail(missing, "it was cut off or is no ARPA file, copy or build it again")
            self._number += 1
            line = raw.strip()
        return line

    def _require(self, line: bytes, heading: str) -> None:
        if line != heading.encode():
            self._fail(
                f"found {line[:40]!r} where {heading} should be",
                "the counts under \\data\\ and the sections disagree, build the model again",
            )

    def _header(self) -> tuple[list[int], bytes]:
        while self._line("no \\data\\ line") != b"\\data\\":
            pass  # SRILM lets comments stand before it
        counts: list[int] = []
        while match := _COUNT.fullmatch(line := self._line()):
            counts.append(int(match[2]))
            if int(match[1]) != len(counts):
                self._fail(f"the count of order {len(counts)} is missing", "build the model again")
        if not counts:
            self._fail("no 'ngram 1=' after \\data\\", "this is no ARPA file")
        return counts, line

    def _section(self, n: int, count: int) -> Level:
        blocks = [_empty(n)]
        while count:
            lines = list(itertools.islice(self._lines, min(count, _ROWS)))
            rows = [line.split() for line in lines]
            blocks.append(self._block(n, rows))
            self._number += len(rows)
            count -= len(rows)
            if not rows:
                self._fail("the file ends early", "it was cut off, copy or build it again")
        words, log_p, log_bow = zip(*blocks, strict=True)
        return Level(np.concatenate(words), np.concatenate(log_p), np.concatenate(log_bow))

    def _block(self, n: int, rows: list[list[bytes]]) -> _Block:
        if n == 1:
            for row in rows:
                self._index.setdefault(b"".join(row[1:2]), len(self._index))
        try:
            block = _columns(n, rows, self._index)
        except (ValueError, KeyError, IndexError):
            block = None
        if block is None or not _plausible(block):
            self._blame(n, rows)
        return block

    def _blame(self, n: int, rows: list[list[bytes]]) -> NoReturn:
        for number, row in enumerate(rows, self._number + 1):
            text = b" ".join(row)[:60].decode(errors="replace")
            if len(row) not in (n + 1, n + 2):
                do = f"a line of this section is log10 p, {n} words and perhaps a back-off weight"
                self._fail(f"{text!r} has {len(row)} fields", do, number)
            unknown = [w for w in row[1 : n + 1] if w not in self._index]
            if unknown:
                word = unknown[0].decode(errors="replace")
                self._fail(f"{word!r} is no unigram", "every word needs one", number)
            try:
                sane = _plausible(_columns(n, [row], self._index))
            except ValueError:
                sane = False
            if not sane:
                do = "write finite base-10 logarithms, probabilities at most 0"
                self._fail(f"{text!r} has numbers that make no sense", do, number)
        self._fail("this section cannot be read", "build the model again")


def _columns(n: int, rows: list[list[bytes]], index: dict[bytes, int]) -> _Block:
    if not {len(row) for row in rows} <= {n + 1, n + 2}:
        raise ValueError("a row has too few or too many fields")
    words = np.array([index[w] for row in rows for w in row[1 : n + 1]], dtype=np.int32)
    log_p = np.array([float(row[0]) for row in rows])
    log_bow = np.array([float(row[n + 1]) if len(row) == n + 2 else 0.0 for row in rows])
    return words.reshape(-1, n), _natural(log_p), _natural(log_bow)


def _natural(log10: Float[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
    return (np.where(np.isneginf(log10), _ZERO, log10) * _LN10).astype(np.float32)


def _plausible(block: _Block) -> bool:
    _, log_p, log_bow = block
    return bool(
        (log_p < _ROUNDING).all() and np.isfinite(log_p).all() and np.isfinite(log_bow).all()
    )


def _empty(n: int) -> _Block:
    nothing = np.zeros(0, dtype=np.float32)
    return np.zeros((0, n), dtype=np.int32), nothing, nothing


def _spelled(index: Iterable[bytes]) -> list[str]:
    symbols = [word.decode() for word in index]
    spoken = [s for s in symbols if s.lower() not in SPECIAL]
    if all(s == s.upper() for s in spoken):
        return [s.lower() for s in symbols]
    return symbols


def _lines(model: ArpaModel) -> Iterator[bytes]:
    counts = "".join(f"ngram {n}={count}\n" for n, count in enumerate(model.n_ngrams, 1))
    yield f"\\data\\\n{counts}".encode()
    ngrams: Sequence[str] = [""]
    for n in range(1, model.order + 1):
        yield f"\n\\{n}-grams:\n".encode()
        first, last = (int(model.level_start[n + i]) for i in (0, 1))
        above = int(model.level_start[n - 1])
        words = [model.symbols[w] for w in model.word[first:last].tolist()]
        contexts = (model.parent[first:last] - above).tolist()
        ngrams = (
            words if n == 1 else [f"{ngrams[c]} {w}" for c, w in zip(contexts, words, strict=True)]
        )
        log_p = (model.log_p[first:last] / _LN10).tolist()
        if n == model.order:
            rows = (f"{p:.8g}\t{g}\n" for p, g in zip(log_p, ngrams, strict=True))
        else:
            log_bow = (model.log_bow[first:last] / _LN10).tolist()
            rows = (
                f"{p:.8g}\t{g}\t{b:.8g}\n" for p, g, b in zip(log_p, ngrams, log_bow, strict=True)
            )
        yield from ("".join(block).encode() for block in _blocks(rows))
    yield b"\n\\end\\\n"


def _blocks(rows: Iterator[str]) -> Iterator[list[str]]:
    while block := list(itertools.islice(rows, _ROWS)):
        yield block
