"""The report: one file that needs nothing else, shows every modality, and believes no text."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import soundfile
import torch

from unimodal.loading.own import Unimodal
from unimodal.measuring.evaluate import Evaluation, Sample
from unimodal.prenets.table import Grid
from unimodal.prenets.waveform import Waveform
from unimodal.report import charts, media
from unimodal.report.alignments import align, figure, most_steady
from unimodal.report.page import Adaptation, Report, Stage, duration, number, render, write
from unimodal.task import Example
from unimodal.tasks.showing import samples

EVIL = "<script>alert('&')</script>"


class Reader(HTMLParser):
    """Collects what a page points to, and whether its elements are closed."""

    VOID = ("meta", "img", "link", "input", "br", "hr", "path", "use", "stop")

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "poster")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def evaluation(task: str, example: Example, prediction: object, *, value: float = 0.5) -> Evaluation:
    return Evaluation(
        task=task,
        modality="text",
        metric="exact match",
        value=value,
        baseline_value=0.25,
        baseline_name="majority",
        higher_is_better=True,
        n_test=60,
        samples=(Sample(example, prediction),),
        seconds=1.0,
        interval=(0.375, 0.625),
    )


@pytest.fixture(scope="module")
def report(tiny: Unimodal) -> Report:
    """An example of every modality."""
    tone = torch.sin(torch.arange(8000) * 0.1)
    grid = Grid(("city", EVIL), (("Oslo", "7"), ("Bonn", "3")))
    cases = [
        ("asr", {"speech": Waveform(tone, 16_000)}, "hello", EVIL),
        ("tts", {"text": "hello"}, Waveform(tone, 16_000), tone[:4000]),
        ("caption", {"image": torch.rand(3, 300, 200)}, "A cat.", "A cat."),
        ("table_qa", {"question": "how many?", "table": grid}, "2", ""),
        ("code_summary", {"code": f"def f():\n    return '{EVIL}'"}, "Return it.", "Return."),
    ]
    found, shown, drawn = [], [], []
    for name, inputs, answer, prediction in cases:
        task = tiny.task(name)
        example = Example("a#b", inputs, answer)
        found.append(evaluation(name, example, prediction))
        shown.append(samples(task, {"before": found[-1], "after": found[-1]}))
        if name in ("asr", "tts"):
            drawn.append(figure(align(tiny, tiny.processor.example(task, example)), task, f"{name} {EVIL}"))
    curve = charts.Curve([(step, 3.0 / (step + 1)) for step in range(500)], [(100, 1.0), (200, 0.5)])
    return Report(
        title="A run",
        facts={"command": EVIL},
        stages=[Stage("pretrain", 75, "1,000 steps")],
        evaluations=found,
        curves=[figure_of(curve)],
        alignments=drawn,
        samples=shown,
        adaptation=Adaptation("LoRA.", found[0], evaluation("asr", found[0].samples[0].example, "x", value=0.75)),
        missing=["mnist is left out: no registry"],
    )


def figure_of(curve: charts.Curve) -> "charts.Markup":
    from unimodal.report.page import Figure

    return Figure("asr", charts.loss(curve, "asr"))


def test_the_page_is_whole_and_points_nowhere(report: Report) -> None:
    page = render(report)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(address.startswith(("data:", "#")) for address in reader.addresses)
    assert {"audio", "img", "svg", "pre", "table"} <= set(reader.tags)
    assert reader.tags.count("audio") == 1 + 3  # a question; an answer and two predictions
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"https?://|url\((?!#)|@import|<link", outside)


def test_no_text_becomes_markup(report: Report) -> None:
    page = render(report)
    assert "<script" not in page and page.count("&lt;script&gt;") >= 5


def test_the_page_says_what_was_found(report: Report) -> None:
    page = render(report)
    assert "5 of 5 tasks beat" in page and "not better" not in page and "improved" in page
    assert "mnist is left out" in page and "1 min 15 s" in page and "<i>nothing</i>" in page
    assert page.count("✓") == 1  # the caption; sound is never right or wrong


def test_a_page_that_is_too_large_is_refused(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write(report, tmp_path / "a.html") == (tmp_path / "a.html").stat().st_size
    monkeypatch.setattr("unimodal.report.page.LARGEST", 1000)
    with pytest.raises(AssertionError, match="show fewer samples"):
        write(report, tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


def test_sound_survives_the_page() -> None:
    samples = 0.5 * torch.sin(torch.arange(16_000) * 0.2)
    (coded,) = re.findall(r"base64,([^\"]+)", media.sound(samples, 16_000))
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(coded)))
    assert rate == 16_000 and abs(torch.from_numpy(heard).float() - samples).max() < 1e-4
    assert "audio/flac" in media.sound(samples, 8_000)


def test_a_picture_keeps_its_shape_and_a_table_its_beginning() -> None:
    assert "width=160 height=80" in media.picture(torch.rand(3, 200, 400))
    assert "width=8 height=6" in media.picture(torch.rand(3, 6, 8))
    large = media.table([f"c{i}" for i in range(50)], [["x"] * 50] * 90)
    assert large.count("<tr>") == media.MOST_ROWS + 1 and large.count("<th>") == media.MOST_COLUMNS


def test_drawings_take_their_colours_from_the_page() -> None:
    drawing = charts.loss(charts.Curve([(1, 2.0), (2, 1.0)], []), "asr")
    assert "var(--accent)" in drawing and "currentColor" in drawing and "#0102" not in drawing


def test_the_steadiest_head_is_found() -> None:
    diagonal = torch.eye(6).repeat_interleave(2, dim=1) / 2
    noise = torch.rand(3, 6, 12).softmax(-1)
    block, head, found = most_steady([noise, torch.stack([noise[0], diagonal, noise[1]])])
    assert (block, head) == (1, 1) and torch.equal(found, diagonal)
    assert most_steady([torch.full((2, 1, 4), 0.25)])[:2] == (0, 0)  # an answer of one entry has no direction


def test_curves_are_read_by_task_and_term(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "step,train/loss,train/asr/ce,validation/asr/ce,learning_rate\n0,3,2.5,,0.1\n1,3,2.5,2.0,0.1\n2,2,1.5,,0.1\n"
    )
    curves = charts.read_curves(tmp_path / "metrics.csv")
    assert list(curves) == ["asr"] and curves["asr"]["ce"].validation == [(1, 2.0)]
    assert curves["asr"]["ce"].train == [(0, 2.5), (2, 1.5)]  # step 1 had no such example and repeats the value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.012345, "0.0123"),
        (0.45, "0.450"),
        (1.1, "1.10"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345, "12,345"),
    ],
)
def test_numbers_have_three_figures(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "0.4 s"), (12.3, "12 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said
