"""Whether models that learned nothing write valid answers under every grammar: python scripts/check_grammars.py

For each codec, and for some JSON schemas, many answers of tiny random models are decoded greedily, by sampling and by
beam search, with room and with little more than the shortest answer takes; each must be in the language, by a reader
that shares nothing with the grammar where there is one, and survive its round trip. Writes runs/grammars.json.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from unimodal.batching import Item, token_piece
from unimodal.codecs import Codec
from unimodal.codecs.bins import BinCodec
from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.digits import DigitCodec
from unimodal.codecs.events import EventCodec
from unimodal.codecs.fields import FieldCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.numbers import NumberCodec
from unimodal.codecs.tables import TableCodec
from unimodal.codecs.text import TextCodec
from unimodal.codecs.units import UnitCodec
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.guides import Guide
from unimodal.guides.grammar import GrammarGuide
from unimodal.guides.json_schema import JsonSchemaGuide
from unimodal.model import SMALLEST, UnimodalForConditionalGeneration
from unimodal.samplers import Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.sampling import Sampling
from unimodal.spec import load_spec
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

ROOM = 48
BATCH = 250
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "tag": {"enum": ["a", "bc", 1, None]}}}
SCHEMAS: dict[str, dict[str, Any]] = {
    "person": {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "nested": {"$defs": {"node": {**NODE, "required": ["tag"], "additionalProperties": False}}, "$ref": "#/$defs/node"},
    "strings": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[A-Z]{2}\\d{4}$"},
            "day": {"type": "string", "format": "date"},
            "note": {"type": "string", "minLength": 2, "maxLength": 9},
        },
        "required": ["id", "day"],
        "additionalProperties": False,
    },
    "list": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}, "minItems": 2},
}


@final
@dataclass(frozen=True, eq=False)
class Language:
    """Answers of one kind: the guide that holds to them within a limit, and what is wrong with one."""

    name: str
    guide: Callable[[int], Guide[Any]]
    shortest: int
    fault: Callable[[list[int]], str | None]


@final
class Wandering(Guide[Tensor]):
    """Adds scores that depend on the last token and the step, so that models that learned nothing do not repeat one."""

    def __init__(self, size: int, seed: int) -> None:
        self._table = 3 * torch.randn(64, size, generator=torch.Generator().manual_seed(seed))

    def start(self, rows: int, device: torch.device | None = None) -> Tensor:
        return torch.arange(rows, device=device)

    def adjust(self, logits: Tensor, state: Tensor) -> Tensor:
        return logits + self._table[state % 64]

    def advance(self, state: Tensor, tokens: Tensor) -> Tensor:
        return (31 * state + 7 * tokens + 1) % 1_000_003

    def take(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=10_000, help="of each grammar, shared out among the decodings")
    parser.add_argument("--only", nargs="*", help="names of grammars")
    parser.add_argument("--pieces", type=Path, help="text pieces; default: 512 learned from Python's library")
    parser.add_argument("--out", type=Path, default=Path("runs/grammars.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    vocabulary = vocabulary_of(learned_pieces() if options.pieces is None else TextPieces.load(options.pieces))
    chosen = [language for language in languages(vocabulary) if not options.only or language.name in options.only]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    with Progress(console=Console(stderr=True)) as progress:
        for language in chosen:
            bar = progress.add_task(language.name, total=options.answers)
            advance = partial(progress.advance, bar)
            results[language.name] = check(language, vocabulary, options.answers, advance)
            options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    report(results)
    if any(found["invalid"] for found in results.values()):
        raise SystemExit("invalid answers: see above")


def check(
    language: Language, vocabulary: Vocabulary, answers: int, progress: Callable[[int], None] = lambda done: None
) -> dict[str, Any]:
    """Decodes `answers` answers, shared out among samplers and limits; what was wrong with the first few."""
    found: dict[str, Any] = {"answers": 0, "invalid": 0, "different": 0, "faults": []}
    settings = [(name, sampler, limit) for name, sampler in samplers() for limit in limits(language)]
    share, different = math.ceil(answers / len(settings)), set()
    for number, (name, sampler, limit) in enumerate(settings):
        for first in range(0, share, BATCH):
            rows = min(BATCH, share - first)
            for ids in decode(language, vocabulary, rows, sampler, limit, seed=1000 * number + first):
                fault = language.fault(ids)
                found["answers"] += 1
                different.add(tuple(ids))
                if fault is not None:
                    found["invalid"] += 1
                    found["faults"] = [*found["faults"], f"{name}, limit {limit}: {fault}: {ids}"][:5]
            progress(rows)
    return {**found, "different": len(different)}


def samplers() -> Iterator[tuple[str, Callable[[int], Sampler]]]:
    yield "greedy", lambda seed: Greedy()
    yield "sampling", lambda seed: Sampling(seed=seed)
    yield "beam", lambda seed: Beam(3)


def limits(language: Language) -> list[int]:
    return [language.shortest, language.shortest + 2, language.shortest + ROOM]


def decode(
    language: Language,
    vocabulary: Vocabulary,
    rows: int,
    sampler: Callable[[int], Sampler],
    limit: int,
    *,
    seed: int,
) -> list[list[int]]:
    """The best answer to each of some random prompts, by a model that has just been drawn."""
    torch.manual_seed(seed)
    spec = load_spec(SMALLEST)["spec"]
    spec |= {"vocabulary": {"class": spec["vocabulary"]["class"], "ranges": vocabulary.space.ranges}}
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec))
    size = len(vocabulary.space)
    items = [Item("", (token_piece(torch.randint(4, size, (1 + row % 5,))),)) for row in range(rows)]
    decoding = Decoding(sampler(seed), guides=[Wandering(size, seed)], limit=limit)
    found = write_tokens(model, Prompt.of(model, items), decoding, guide=language.guide(limit))
    return [list(best.tokens) for best, *_ in found]


def languages(vocabulary: Vocabulary) -> Iterator[Language]:
    names = ["cat", "car", "cat food", "a dog", "élan"]
    codecs: dict[str, Codec[Any]] = {
        "bins": BinCodec(vocabulary, kind="loc", num_values=2),
        "boxes": BoxCodec(vocabulary),
        "characters": CharacterCodec(vocabulary),
        "digits": DigitCodec(vocabulary),
        "events": EventCodec(vocabulary, seconds=10),
        "fields": FieldCodec(vocabulary),
        "labels": LabelCodec(vocabulary, names=names),
        "numbers": NumberCodec(vocabulary),
        "tables": TableCodec(vocabulary, TextCodec(vocabulary)),
        "text": TextCodec(vocabulary),
        "units": UnitCodec(vocabulary),
    }
    for name, codec in codecs.items():
        yield _coded(name, codec, vocabulary)
    for name, schema in SCHEMAS.items():
        yield _described(name, schema, vocabulary)


def _coded(name: str, codec: Codec[Any], vocabulary: Vocabulary) -> Language:
    grammar, end = codec.grammar(), vocabulary.space.end

    def fault(ids: list[int]) -> str | None:
        if ids[-1:] != [end]:
            return "has no end"
        if not grammar.accepts(ids):
            return "is not in the grammar"
        obj = codec.decode(ids)
        return None if codec.decode(codec.encode(obj)) == obj else "does not come back"

    shortest = int(grammar.distance(grammar.start(1))[0])
    return Language(name, lambda limit: GrammarGuide(grammar, limit=limit), shortest, fault)


def _described(name: str, schema: dict[str, Any], vocabulary: Vocabulary) -> Language:
    import jsonschema

    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())

    def fault(ids: list[int]) -> str | None:
        if ids[-1:] != [vocabulary.space.end]:
            return "has no end"
        try:
            checker.validate(json.loads(vocabulary.pieces.decode(ids[:-1])))
        except (json.JSONDecodeError, jsonschema.ValidationError) as error:
            return str(error).partition("\n")[0]
        return None

    def guide(limit: int) -> Guide[Any]:
        return JsonSchemaGuide(vocabulary, schema=schema, limit=limit)

    shortest = next(limit for limit in range(1, 200) if _fits(guide, limit))
    return Language(f"JSON: {name}", guide, shortest, fault)


def _fits(guide: Callable[[int], Guide[Any]], limit: int) -> bool:
    try:
        guide(limit)
    except ValueError:
        return False
    return True


def learned_pieces() -> TextPieces:
    import argparse as parsing
    import inspect
    import statistics
    import tempfile
    import textwrap

    texts = [inspect.getsource(module) for module in (parsing, json, statistics, textwrap)]
    with tempfile.TemporaryDirectory() as folder:
        return TextPieces.train(texts, 512, Path(folder) / "tokenizer.model")


def vocabulary_of(pieces: TextPieces) -> Vocabulary:
    """Some text pieces and every kind of token that a codec writes."""
    ranges: list[dict[str, int | list[str]]] = [
        {"text": len(pieces)},
        {"loc": 50},
        {"time": 20},
        {"unit": 30},
        {"field": ["/", "name", "price", "items"]},
        {"grid": ["cell", "header", "left", "up", "cross", "row"]},
    ]
    return Vocabulary(TokenSpace(ranges), pieces)


def report(results: dict[str, dict[str, Any]]) -> None:
    table = Table("grammar", "answers", "different", "invalid")
    for name, found in results.items():
        table.add_row(name, *(f"{found[key]:,}" for key in ("answers", "different", "invalid")))
        for fault in found["faults"]:
            table.add_row("", fault)
    Console().print(table)


if __name__ == "__main__":
    main()
