import math

import pytest
import soundfile
import torch

from unimodal.prenets.waveform import Waveform


def tone(hertz, rate, seconds=1.0):
    return torch.sin(2 * torch.pi * hertz * torch.arange(int(rate * seconds)) / rate) * 0.5


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_files_are_read_at_their_own_rate(tmp_path, suffix, rate):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(440, rate).numpy(), rate)
    sound = Waveform.read(path)
    assert sound.rate == rate and sound.name == str(path)
    torch.testing.assert_close(sound.samples, tone(440, rate), atol=1e-4, rtol=0)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_compressed_files_sound_nearly_the_same(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(440, 44_100).numpy(), 44_100)
    sound = Waveform.read(path)
    assert abs(sound.seconds - 1) < 0.1  # a codec's frames fill up or cut the ends
    spectrum = torch.fft.rfft(sound.samples).abs()
    assert math.isclose(spectrum.argmax().item() / sound.seconds, 440, rel_tol=0.01)
    assert abs(sound.samples.abs().max() - 0.5) < 0.1


def test_channels_are_mixed(tmp_path):
    path = tmp_path / "stereo.wav"
    left, right = tone(440, 16_000), tone(1000, 16_000)
    soundfile.write(path, torch.stack([left, right], dim=1).numpy(), 16_000)
    torch.testing.assert_close(Waveform.read(path).samples, (left + right) / 2, atol=1e-3, rtol=0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_the_pitch(rate):
    sound = Waveform(tone(440, rate), rate).resampled(16_000)
    assert sound.rate == 16_000 and abs(sound.seconds - 1) < 1e-3
    torch.testing.assert_close(sound.samples[500:15_500], tone(440, 16_000)[500:15_500], atol=0.01, rtol=0)


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.25])
def test_speed_changes_length_and_pitch(factor):
    sound = Waveform(tone(440, 16_000), 16_000).at_speed(factor)
    assert sound.rate == 16_000 and math.isclose(sound.seconds, 1 / factor, rel_tol=1e-3)
    spectrum = torch.fft.rfft(sound.samples).abs()
    assert math.isclose(spectrum.argmax().item() / sound.seconds, 440 * factor, rel_tol=0.01)
    assert torch.equal(Waveform(tone(440, 16_000), 16_000).at_speed(1.0).samples, tone(440, 16_000))


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (torch.zeros(0), 16_000, "a.wav: holds no sound"),
        (torch.zeros(9), 0, "a.wav: has a sample rate of 0 Hz"),
        (torch.zeros(9), -1, "a.wav: has a sample rate of -1 Hz"),
        (torch.zeros(9), 10**9, "a.wav: has a sample rate of 1000000000 Hz"),
        (torch.tensor([0.0, float("nan")]), 16_000, "a.wav: holds samples that are not finite"),
    ],
)
def test_impossible_sound_is_refused(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        Waveform(samples, rate, "a.wav")


def test_files_that_are_no_sound(tmp_path):
    path = tmp_path / "text.wav"
    for content in (b"", b"hello, this is no sound\n" * 99, bytes(range(256)) * 9):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="text.wav: ") as caught:
            Waveform.read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere.wav: no such file"):
        Waveform.read(tmp_path / "nowhere.wav")


@pytest.mark.parametrize("rate", [0, 100])
def test_a_header_with_an_absurd_rate(tmp_path, rate):
    path = tmp_path / "odd.wav"
    soundfile.write(path, tone(440, 16_000).numpy(), 16_000)
    header = bytearray(path.read_bytes())
    header[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(header)
    with pytest.raises(ValueError, match="odd.wav: "):
        Waveform.read(path)


def test_sound_without_samples(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, torch.zeros(0).numpy(), 16_000)
    with pytest.raises(ValueError, match="empty.wav: "):
        Waveform.read(path)


def test_a_picture_holds_no_audio(tmp_path):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.new("RGB", (20, 20)).save(path)
    with pytest.raises(ValueError, match="picture.png: holds no audio"):
        Waveform.read(path)


def test_long_sound_is_refused_before_it_is_all_read(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(440, 8_000, seconds=30).numpy(), 8_000)
    with pytest.raises(ValueError, match="long.wav: lasts longer than the limit of 20 s"):
        Waveform.read(path, max_seconds=20)
    assert Waveform.read(path, max_seconds=30).seconds == 30


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_that_was_cut_off_is_told_from_its_header(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise = torch.randn(16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    soundfile.write(path, noise.numpy(), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"^\S*cut.{suffix}: [^\n]+$"):
        Waveform.read(path)


def data_size(path, size):
    """Says another number of bytes of samples in a WAV file's header."""
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)


def test_a_header_that_promises_too_much_is_a_lie(tmp_path):
    path = tmp_path / "lie.wav"
    soundfile.write(path, tone(440, 16_000).numpy(), 16_000)
    data_size(path, 32_000 * 60)
    with pytest.raises(ValueError, match=r"lie.wav: ends after 1.00 s of the 60.00 s that its header promises"):
        Waveform.read(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_a_header_written_into_a_pipe_does_not_know_the_length(tmp_path, size):
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(440, 16_000).numpy(), 16_000)
    data_size(path, size)
    assert Waveform.read(path).seconds == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("level", [0.0, 5e-5])
def test_silence_is_no_sound(tmp_path, level):
    path = tmp_path / "silent.wav"
    soundfile.write(path, (tone(440, 16_000) * level).numpy(), 16_000, subtype="FLOAT")
    with pytest.raises(ValueError, match="silent.wav: holds nothing but silence"):
        Waveform.read(path)


def test_a_wrong_ending_of_the_name_does_not_matter(tmp_path):
    path = tmp_path / "really_flac.mp3"
    soundfile.write(path, tone(440, 16_000).numpy(), 16_000, format="FLAC")
    torch.testing.assert_close(Waveform.read(path).samples, tone(440, 16_000), atol=1e-4, rtol=0)
