"""One vocabulary for everything that is written as tokens: named ranges of ids, of which the first is text pieces.

v vocabulary
"""

import bisect
import codecs
import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import sentencepiece
import torch
from jaxtyping import Bool
from torch import Tensor

CONTROL = "control"
_SPACE = "▁"  # how sentencepiece writes a space within a piece
_LONGEST_LINE = 4000  # sentencepiece leaves out what is longer than 4,192 bytes


@final
class TokenSpace:
    """Named ranges of ids in a given order; the only place that knows where each starts.

    `ranges` is a list of one-key mappings, since the order of ids must survive a `config.json` with sorted keys:
    `[{"text": 2048}, {"task": ["asr", "tts"]}, {"loc": 1000}]`. A range is a size or a list of names. The first is
    `text`, all ids of sentencepiece, whose first four belong to the kind `control`: pad, end, unknown, start. Of the
    kinds in `ordered` the ids are numbers in order (places, times): their vectors begin alike where they are near.
    """

    pad: ClassVar[int] = 0
    end: ClassVar[int] = 1
    unknown: ClassVar[int] = 2
    start: ClassVar[int] = 3

    def __init__(self, ranges: list[dict[str, int | list[str]]], *, ordered: Sequence[str] = ()):
        self.ranges, self.ordered = ranges, tuple(ordered)
        self._names: dict[str, list[str]] = {}
        self._starts: list[int] = []
        self._sizes: dict[str, int] = {}
        total = 0
        for place, entry in enumerate(ranges):
            if len(entry) != 1:
                raise ValueError(f"ranges[{place}]: expected one kind, as in {{loc: 1000}}, got {entry!r}")
            ((kind, items),) = entry.items()
            if kind in self._sizes or kind == CONTROL:
                raise ValueError(f"ranges[{place}]: the kind '{kind}' is there already")
            size = items if isinstance(items, int) else len(items)
            if size < 1:
                raise ValueError(f"ranges[{place}]: '{kind}' is empty")
            if not isinstance(items, int):
                if len(set(items)) < size:
                    raise ValueError(f"ranges[{place}]: '{kind}' names something twice")
                self._names[kind] = items
            self._starts.append(total)
            self._sizes[kind] = size
            total += size
        self._total = total
        self.kinds = tuple(self._sizes)
        if self.kinds[:1] != ("text",) or "text" in self._names or self._sizes["text"] <= len(_CONTROL_IDS):
            raise ValueError(f"ranges[0]: the first kind is 'text' with more than {len(_CONTROL_IDS)} ids")
        for kind in self.ordered:
            self._start(kind)

    def __len__(self) -> int:
        return self._total

    def ids(self, kind: str) -> range:
        """All ids of a kind; those of `text` without the control ids."""
        if kind == CONTROL:
            return range(len(_CONTROL_IDS))
        start = self._start(kind)
        return range(max(start, len(_CONTROL_IDS)), start + self._sizes[kind])

    def size(self, kind: str) -> int:
        """The number of ids of a kind; that of `text` counts the control ids, as sentencepiece does."""
        self._start(kind)
        return self._sizes[kind]

    def id(self, kind: str, item: int | str) -> int:
        """The id of the item of a kind, by its index or by its name."""
        start = self._start(kind)
        if isinstance(item, str):
            names = self._names.get(kind, [])
            if item not in names:
                raise ValueError(f"'{kind}' has no '{item}'{_suggestion(item, names)}")
            return start + names.index(item)
        if not 0 <= item < self._sizes[kind]:
            raise ValueError(f"'{kind}' has {self._sizes[kind]} ids, so no index {item}")
        return start + item

    def kind(self, id: int) -> str:
        """The kind of an id."""
        assert 0 <= id < self._total, id
        return CONTROL if id in _CONTROL_IDS else self.kinds[bisect.bisect(self._starts, id) - 1]

    def index(self, id: int) -> int:
        """The index of an id within its kind."""
        assert 0 <= id < self._total, id
        return id - self._starts[bisect.bisect(self._starts, id) - 1]

    def name(self, id: int) -> str:
        """What people call an id: its name, or its kind and index (`loc 17`)."""
        kind, index = self.kind(id), self.index(id)
        if kind == CONTROL:
            return _CONTROL_IDS[id]
        return self._names[kind][index] if kind in self._names else f"{kind} {index}"

    def mask(self, *kinds: str) -> Bool[Tensor, " v"]:
        """True at the ids of these kinds."""
        mask = torch.zeros(self._total, dtype=torch.bool)
        for kind in kinds:
            ids = self.ids(kind)
            mask[ids.start : ids.stop] = True
        return mask

    def extended(self, num_pieces: int, tasks: Sequence[str]) -> "TokenSpace":
        """The same with more text pieces and more tasks, each behind those of its kind; other ids move up."""
        added: dict[str, int | list[str]] = {"text": self._sizes["text"] + num_pieces}
        if tasks:
            added["task"] = [*self._names.get("task", []), *tasks]
        ranges = [{kind: added.pop(kind, items) for kind, items in entry.items()} for entry in self.ranges]
        return TokenSpace([*ranges, *({kind: items} for kind, items in added.items())], ordered=self.ordered)

    def _start(self, kind: str) -> int:
        if kind not in self._sizes:
            raise ValueError(f"the vocabulary has no kind '{kind}'{_suggestion(kind, self.kinds)}")
        return self._starts[self.kinds.index(kind)]


_CONTROL_IDS = {TokenSpace.pad: "pad", TokenSpace.end: "end", TokenSpace.unknown: "unknown", TokenSpace.start: "start"}


def _suggestion(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


@final
class TextPieces:
    """Text <-> ids of subword pieces, without loss: `decode(encode(text)) == text` for every text.

    A unigram language model over pieces (Kudo, 2018, arXiv:1804.10959), by sentencepiece (Kudo and Richardson, 2018,
    arXiv:1808.06226), with no normalisation, every digit a piece, and bytes for characters that have no piece.
    """

    def __init__(self, model: bytes):
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._model = model
        self._bytes = [self._spell(id) for id in range(len(self))]
        # Pieces cannot tell a space from the character that stands for it: that character is spelled in bytes.
        self._space_sign = [self._processor.piece_to_id(f"<0x{byte:02X}>") for byte in _SPACE.encode()]

    @classmethod
    def train(
        cls, texts: Iterable[str], size: int, file: Path, progress: Callable[[int], None] | None = None
    ) -> "TextPieces":
        """Learns `size` pieces from texts and writes them to `file`; `progress` hears how many texts were read."""
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_lines(texts, progress),
                model_writer=model,
                vocab_size=size,
                model_type="unigram",
                byte_fallback=True,
                split_digits=True,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                allow_whitespace_only_pieces=True,
                pad_id=TokenSpace.pad,
                eos_id=TokenSpace.end,
                unk_id=TokenSpace.unknown,
                bos_id=TokenSpace.start,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{file}: cannot learn {size} text pieces: {_reason(error)}") from error
        pieces = cls(model.getvalue())
        pieces.save(file)
        return pieces

    @classmethod
    def load(cls, file: Path) -> "TextPieces":
        """Reads what `train` or `save` wrote."""
        if not file.is_file():
            raise ValueError(f"{file}: no such file")
        try:
            return cls(file.read_bytes())
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{file}: is no sentencepiece model with pieces for all bytes") from error

    def save(self, file: Path) -> None:
        """Writes a sentencepiece model."""
        file.write_bytes(self._model)

    def extended(self, characters: Sequence[str]) -> "TextPieces":
        """The same with a piece for each of some characters, behind all others; texts without them keep their ids."""
        from sentencepiece import sentencepiece_model_pb2

        model = vars(sentencepiece_model_pb2)["ModelProto"].FromString(self._model)
        rarest = min(piece.score for piece in model.pieces)
        for character in characters:
            model.pieces.add(piece=character, score=rarest)
        model.trainer_spec.vocab_size = len(model.pieces)
        return TextPieces(model.SerializeToString())

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        """Ids of the likeliest pieces. Raises ValueError for half a surrogate pair, which is no character."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the text has no UTF-8 form: {error.reason} at {error.start}") from error
        ids: list[int] = []
        for place, part in enumerate(text.split(_SPACE)):
            ids += self._space_sign if place else []
            ids += self._processor.encode(part)
        return ids

    def spell(self, text: str) -> list[int]:
        """Ids of a text, a character at a time."""
        return [id for character in text for id in self.encode(character)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of any ids: those that are no text are skipped, bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._bytes[id] for id in ids if 0 <= id < len(self._bytes)).decode(errors="replace")

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """The text as it comes, in parts that join to `decode`; a character whose bytes are several ids comes whole."""
        reader = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for id in ids:
            part = reader.decode(self._bytes[id] if 0 <= id < len(self._bytes) else b"")
            if part:
                yield part
        rest = reader.decode(b"", final=True)
        if rest:
            yield rest

    def bytes_of(self, id: int) -> bytes:
        """The UTF-8 bytes that an id stands for; none for control ids."""
        return self._bytes[id]

    def _spell(self, id: int) -> bytes:
        piece = self._processor.id_to_piece(id)
        if self._processor.is_control(id) or self._processor.is_unknown(id):
            return b""
        if self._processor.is_byte(id):
            return bytes([int(piece[3:-1], 16)])
        return bytes(piece.replace(_SPACE, " "), "utf-8")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The ids and their text: what a processor or a codec needs to know."""

    space: TokenSpace
    pieces: TextPieces

    def __post_init__(self) -> None:
        if self.space.size("text") != len(self.pieces):
            raise ValueError(f"the vocabulary has {self.space.size('text')} text ids, the pieces {len(self.pieces)}")


def _lines(texts: Iterable[str], progress: Callable[[int], None] | None) -> Iterator[str]:
    for count, text in enumerate(texts, start=1):
        for line in text.split("\n"):
            for start in range(0, len(line), _LONGEST_LINE):
                yield line[start : start + _LONGEST_LINE]
        if progress is not None:
            progress(count)


def _reason(error: Exception) -> str:
    """The sentence of sentencepiece's message, without the place in its source."""
    return str(error).replace("\n", " ").rpartition("] ")[2].strip() or "too little text"
