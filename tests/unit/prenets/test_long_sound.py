"""Long recordings in windows: cuts where it is quiet, nothing lost, little in memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from unimodal.prenets.long_sound import LongSound, cut
from unimodal.prenets.waveform import Waveform

RATE = 16_000


def speech(*spans, seconds, rate=RATE):
    """A tone of rising pitch in each span (start, end), faint hiss elsewhere."""
    time = np.arange(int(seconds * rate)) / rate
    samples = 0.002 * np.random.default_rng(0).standard_normal(len(time))
    for place, (start, end) in enumerate(spans):
        inside = (start <= time) & (time < end)
        samples[inside] += 0.3 * np.sin(2 * np.pi * (200 + 50 * place) * time[inside])
    return samples.astype(np.float32)


def written(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def test_windows_end_in_pauses(tmp_path):
    spans = [(0, 5.5), (6, 11), (11.5, 17), (17.5, 23), (23.5, 26)]
    path = written(tmp_path / "talk.wav", speech(*spans, seconds=26))
    ends = [window.end for window in LongSound(path, window=8).windows]
    for end in ends[:-1]:
        assert any(before <= end <= after for (_, before), (after, _) in zip(spans, spans[1:], strict=False)), ends
    assert ends[-1] == 26 and len(ends) == 5


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 16_000), ("flac", 44_100), ("ogg", 22_050), ("wav", 11_025)])
def test_windows_are_all_that_there_is(tmp_path, suffix, rate):
    path = written(tmp_path / f"talk.{suffix}", speech((0, 3), (4, 20), seconds=20.123, rate=rate), rate)
    whole, sound = Waveform.read(path), LongSound(path, window=6)
    parts = [window.read() for window in sound.windows]
    assert torch.equal(torch.cat([part.samples for part in parts]), whole.samples)
    assert all(part.rate == rate and part.seconds <= 6 for part in parts)
    assert [w.start for w in sound.windows[1:]] == [w.end for w in sound.windows[:-1]] and sound.windows[0].start == 0
    assert sound.windows[-1].end == sound.seconds == whole.seconds


def test_windows_may_be_read_in_any_order_and_again(tmp_path):
    sound = LongSound(written(tmp_path / "talk.flac", speech((0, 30), seconds=30)), window=7)
    forwards = [window.read().samples for window in sound.windows]
    for place in (2, 0, 3, 3, 1):
        assert torch.equal(sound.windows[place].read().samples, forwards[place])


def test_where_nobody_speaks_nothing_is_heard(tmp_path):
    samples = speech((0, 9), (55, 60), seconds=60)
    samples[10 * RATE : 50 * RATE] *= 0.01
    windows = LongSound(written(tmp_path / "pause.wav", samples, subtype="FLOAT"), window=10).windows
    heard = [(window.start, window.end) for window in windows]
    assert heard[0][0] == 0 and heard[-1][1] == 60
    assert sum(end - start for start, end in heard) < 40
    assert all(any(start <= second < end for start, end in heard) for second in (1, 5, 8.9, 55, 59.9))
    torch.testing.assert_close(windows[-1].read().samples, torch.from_numpy(samples[round(heard[-1][0] * RATE) :]))


def test_a_recording_without_pauses_is_cut_all_the_same(tmp_path):
    windows = LongSound(written(tmp_path / "tone.wav", speech((0, 31), seconds=31)), window=10).windows
    assert all(5 <= window.end - window.start <= 10 for window in windows[:-1])


def test_memory_does_not_grow_with_the_recording(tmp_path):
    """Numpy's and Python's own allocations are counted here; torch's tensors are chunks and the window."""
    tone = speech((0, 10), seconds=10, rate=8_000)
    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as file:
        for _ in range(180):
            file.write(tone)
    tracemalloc.start()
    sound = LongSound(path, window=10)
    seconds = sum(window.read().seconds for window in sound.windows[:3])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sound.seconds == 1800 and seconds > 15
    assert peak < 8e6  # the samples would be 58 MB


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=400).map(lambda found: np.array(found, dtype=np.float32)),
    st.integers(1, 60),
)
def test_cuts_divide_everything_into_windows_that_are_short_enough(levels, longest):
    ends = [0, *cut(levels, longest=longest), len(levels)]
    lengths = np.diff(ends)
    assert lengths.min() > 0 and lengths.max() <= longest
    assert all(length >= longest // 2 for length in lengths[:-1])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"no sound at all" * 50), "cannot be read as sound"),
        (lambda path: written(path, np.zeros(RATE * 3, dtype=np.float32)), "holds nothing but silence"),
        (lambda path: written(path, np.zeros(0, dtype=np.float32)), "."),
        (lambda path: written(path, np.full(9, np.nan, dtype=np.float32), subtype="FLOAT"), "not finite"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "odd.wav"
    write(path)
    with pytest.raises(ValueError, match=f"odd.wav: .*{message}") as caught:
        LongSound(path, window=10)
    assert "\n" not in str(caught.value)


def test_a_recording_of_days_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("unimodal.prenets.long_sound.LONGEST", 2.0)
    path = written(tmp_path / "days.wav", speech((0, 3), seconds=3))
    with pytest.raises(ValueError, match="days.wav: lasts longer than the limit of"):
        LongSound(path, window=1)
