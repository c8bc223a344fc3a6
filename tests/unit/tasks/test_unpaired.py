"""Unpaired data: sentences as they are heard, clips of few labels, and that text nets take ids as they are."""

from pathlib import Path

import pytest
import torch

from unimodal.codecs.text import TextCodec
from unimodal.corruptors.sentinels import Sentinels
from unimodal.prenets.characters import CharacterProcessor
from unimodal.prenets.text import TextProcessor
from unimodal.prenets.waveform import Waveform
from unimodal.tasks import Example, Task
from unimodal.tasks.few import FewLabels
from unimodal.tasks.infill import TextInfilling
from unimodal.tasks.reconstruct import SpeechReconstruction
from unimodal.tasks.unpaired import Sentence, heard
from unimodal.tasks.wrapped import Wrapped
from unimodal.vocabulary import Vocabulary


def menu(split: str, *, cache: Path | None = None) -> list[Sentence]:
    texts = ["_Open the file...", "Open the file", "2 files", "Открыть файл сейчас", "a", "word " * 40]
    return [Sentence(f"menu:{number}", text, text) for number, text in enumerate(texts)]


def test_sentences_are_heard_once_and_at_a_usual_length() -> None:
    found = heard("train", sources=[menu, menu], shortest=8, longest=20)
    assert [sentence.text for sentence in found] == ["open the file", "two files"]
    assert found[0].key == "menu:0" and found[0].group == "_Open the file..."


def test_any_corruptor_makes_a_task(vocabulary: Vocabulary) -> None:
    """T5's answer is the blanks alone; what is read and written restores the sentence."""
    corruptor = Sentinels(vocabulary, share=0.3)
    task = TextInfilling(
        vocabulary=vocabulary, sentences=menu, corruptor=corruptor, codec=TextCodec, net="text", num_train=40
    )
    plain, drawn = TextCodec(vocabulary), set()
    for example in task.examples("train"):
        ((net, source),) = task.prompt(example)
        assert net == "text" and isinstance(source, torch.Tensor)
        restored = corruptor.restore(source.tolist(), task.codec.encode(str(example.answer)))
        assert plain.decode(restored) == example.group != "Открыть файл сейчас", "its letters have no pieces"
        drawn.add((example.group, str(example.inputs["text"])))
    assert len(drawn) > 8, "each round hides something else"
    assert TextProcessor(vocabulary)(source)["ids"].tolist() == source.tolist()


def test_text_nets_take_ids_and_refuse_none_and_too_many(vocabulary: Vocabulary) -> None:
    for processor in (TextProcessor(vocabulary, max_tokens=3), CharacterProcessor(vocabulary, max_tokens=3)):
        assert processor(torch.tensor([5, 6, 7]))["ids"].tolist() == [5, 6, 7]
        for ids in (torch.zeros(0, dtype=torch.long), torch.arange(4)):
            with pytest.raises(ValueError, match=f"text of {len(ids)} tokens, expected 1 to 3"):
                processor(ids)


class Spoken(Wrapped):
    """Clips of ten seconds at two speeds each, in train and in test."""

    def examples(self, split: str) -> list[Example]:
        sound = Waveform(torch.zeros(160_000), 16_000)
        return [Example(f"g#{i}@{speed}", {"speech": sound, "speed": speed}) for i in range(30) for speed in (0.9, 1.0)]


def test_few_labels_are_minutes_of_clips_whatever_their_speeds() -> None:
    task: Task = FewLabels(Spoken(SpeechReconstruction(clips=[])), minutes=1.1)
    assert [example.key for example in task.examples("train")] == [f"g#{i}@{s}" for i in range(6) for s in (0.9, 1.0)]
    assert len(task.examples("test")) == 60
    with pytest.raises(ValueError, match="^minutes: "):
        FewLabels(Spoken(SpeechReconstruction(clips=[])), minutes=0)
