"""The worked examples in the docstrings of tasks, made with the real code and a small vocabulary."""

from pathlib import Path

from unimodal.modality import Processor
from unimodal.prenets.characters import CharacterProcessor
from unimodal.prenets.code import DEEPER, SHALLOWER, CodeProcessor
from unimodal.prenets.image import ImageProcessor
from unimodal.prenets.resizings.area import Area
from unimodal.prenets.speech import SpeechProcessor
from unimodal.prenets.table import TableProcessor
from unimodal.prenets.text import TextProcessor
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.tasks import Example, Task
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

ROOT = Path(__file__).resolve().parents[3]
SIGNS = str.maketrans({" ": "▁", "\n": "⏎", DEEPER: "»", SHALLOWER: "«"})


def small_vocabulary(folder: Path, tasks: list[str]) -> Vocabulary:
    """600 pieces of a text that never changes: the licence."""
    pieces = TextPieces.train([(ROOT / "LICENSE").read_text(encoding="utf-8")], 600, folder / "tokenizer.model")
    return Vocabulary(
        TokenSpace(
            [
                {"text": 600},
                {"task": tasks},
                {"unit": 40},
                {"sentinel": 5},
                {"table": ["header", "row", "cell"]},
                {"loc": 1000},
                {"grid": ["cell", "header", "left", "up", "cross", "row"]},
            ]
        ),
        pieces,
    )


def worked_example(task: Task, example: Example, vocabulary: Vocabulary) -> str:
    """`<tag> what is read -> what is written <end>`: tokens where there are any, else a count of entries.

    A space is ▁, a line's end ⏎, and » and « mark code that is indented deeper or less deep than the line before.
    """
    processors: dict[str, Processor] = {
        "text": TextProcessor(vocabulary),
        "prompt": TextProcessor(vocabulary),
        "characters": CharacterProcessor(vocabulary),
        "code": CodeProcessor(vocabulary),
        "table": TableProcessor(vocabulary),
        "speech": SpeechProcessor(),
        "image": ImageProcessor(resizing=Area(pixels=4096, longest=256)),
    }
    reads = [f"<{task.name}>"]
    for net, raw in task.prompt(example):
        if isinstance(raw, Voice):
            reads.append("[voice]")
            continue
        arrays = processors[net](raw)
        ids = arrays.get("ids")
        count = processors[net].positions(arrays)
        reads.append(f"[{net}: {count} entries]" if ids is None else _spelled(ids.tolist(), vocabulary))
    if task.codec is None:
        assert isinstance(example.answer, Waveform)
        return f"{' '.join(reads)} -> [{task.writes}: {example.answer.seconds:.2f} s]"
    answer = [*task.codec.encode(example.answer), vocabulary.space.end]
    return f"{' '.join(reads)} -> {_spelled(answer, vocabulary)}"


def _spelled(ids: list[int], vocabulary: Vocabulary) -> str:
    """Each token; places that follow one another as one."""

    def spell(id: int) -> str:
        if vocabulary.space.kind(id) != "text":
            return f"<{vocabulary.space.name(id)}>"
        spelled = vocabulary.pieces.bytes_of(id)
        try:
            return spelled.decode().translate(SIGNS)
        except UnicodeDecodeError:
            return f"<{spelled.hex().upper()}>"

    return " ".join(map(spell, ids)).replace("> <loc ", " ")


def first_short_example(task: Task, vocabulary: Vocabulary, most: int = 260) -> str:
    """The first worked example of the test split that fits into a docstring."""
    examples = task.examples("test")
    lines = (worked_example(task, examples[i], vocabulary) for i in range(len(examples)))
    return next(line for line in lines if len(line) <= most)
