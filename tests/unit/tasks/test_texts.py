"""The small parts of tasks: transcripts, files, sequences, baselines, code."""

from pathlib import Path

import pytest

from unimodal.tasks import Example
from unimodal.tasks.baselines import best_constant, majority, majority_by
from unimodal.tasks.code_completion import code_lines, cuts, rest_of_the_line_before
from unimodal.tasks.code_summary import name_in_words
from unimodal.tasks.files import check_file, read_texts
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.transcripts import spoken_form


@pytest.mark.parametrize(
    ("text", "language", "heard"),
    [
        ("Press 1 (or #), don't wait.", "en", "press one don't wait"),
        ("Dial  500 & press *!", "en", "dial five zero zero and press star"),
        ("Pour l’aide, appuyez sur 0.", "fr", "pour l'aide appuyez sur zéro"),
        ("'Inter-Asterisk' \"IAX\"", "en", "inter asterisk iax"),
        ("[beep]", "en", ""),
        ("ma\u0301s 3", "es", "m\u00e1s 3"),
    ],
)
def test_transcripts_are_written_as_they_are_heard(text: str, language: str, heard: str) -> None:
    assert spoken_form(text, language) == heard
    assert spoken_form(heard, language) == heard


def test_a_sequence_on_demand_makes_nothing_before() -> None:
    made: list[int] = []
    squares = OnDemand(lambda i: made.append(i) or i * i, length=100)
    part = squares[10:40:10]
    assert len(squares) == 100 and len(part) == 3 and made == []
    assert list(part) == [100, 400, 900] and squares[-1] == 99 * 99
    assert made == [10, 20, 30, 99]
    with pytest.raises(IndexError):
        squares[100]
    with pytest.raises(IndexError):
        part[3]


def examples(*pairs: tuple[str, str]) -> list[Example]:
    return [Example(f"group{i}#{i}", {"text": text}, answer) for i, (text, answer) in enumerate(pairs)]


def test_baselines_know_the_training_answers_only() -> None:
    train = examples(
        ("how many?", "2"), ("how many?", "2"), ("how many?", "3"), ("which?", "Ann"), ("which?", "Ann"), ("who?", "2")
    )
    (question,) = examples(("which?", "Bo"))
    assert majority(train)(question) == "2"
    by_text = majority_by(train, lambda example: str(example.inputs["text"]))
    assert by_text(question) == "Ann" and by_text(examples(("why?", ""))[0]) == "2"
    assert best_constant(train, ExactMatch())(question) == "2"


def test_the_best_constant_beats_the_majority_where_answers_are_alike() -> None:
    alike = [("", "press one"), ("", "press two"), ("", "press ten"), ("", "press six"), ("", "zzz"), ("", "zzz")]
    train = examples(*alike * 20)
    answers = [example.answer for example in train]
    metric = CharacterErrorRate()

    def score(constant: object) -> float:
        return metric([constant] * len(answers), answers)

    assert score(best_constant(train, metric)(train[0])) < score(majority(train)(train[0]))


SOURCE = '''def largest(values):
    """Return the largest value.

    An inner line of the docstring = not code
    """
    # a comment that is long enough
    found = max(values, default=None)
    x = 1
    return found if found is not None else 0
'''.splitlines()


def test_lines_to_complete_are_code() -> None:
    assert [SOURCE[number].strip() for number in code_lines(SOURCE)] == [
        "def largest(values):",
        "found = max(values, default=None)",
        "return found if found is not None else 0",
    ]


def test_a_line_is_cut_behind_a_word_and_something_is_left() -> None:
    line = "    found = max(values)"
    assert [line[:cut] for cut in cuts(line)] == [
        "    found",
        "    found =",
        "    found = max",
        "    found = max(",
        "    found = max(values",
    ]
    assert all(line[cut:].strip() for cut in cuts(line))


def test_trivial_answers_about_code() -> None:
    assert name_in_words(Example("", {"code": "def getOptionalRelease(self):\n  pass"})) == "Get optional release."
    assert name_in_words(Example("", {"code": "async def read_all(self): ..."})) == "Read all."
    assert name_in_words(Example("", {"code": "x = 1"})) == "."
    assert rest_of_the_line_before(Example("", {"code": "import os\nimport"})) == "os"
    assert rest_of_the_line_before(Example("", {"code": "import"})) == ""


def test_files_and_prompts_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    assert read_texts([path], "there") == {str(path): "hello", "prompt": "there"}
    path.write_text(" \n")
    with pytest.raises(ValueError, match="holds no text"):
        read_texts([path], None)
    with pytest.raises(FileNotFoundError, match="is a folder"):
        check_file(tmp_path)
