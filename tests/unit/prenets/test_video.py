import av
import numpy
import pytest
import soundfile
import torch

from unimodal.prenets.resizings.boxed import Boxed
from unimodal.prenets.video import VideoProcessor
from unimodal.prenets.waveform import Waveform

BOX = Boxed(height=32, width=32)


def write(path, num_frames, size=(32, 32)):
    """A clip that brightens evenly from black to white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for frame in range(num_frames):
            shade = round(255 * frame / max(1, num_frames - 1))
            picture = av.VideoFrame.from_ndarray(numpy.full((*size, 3), shade, dtype="uint8"), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def brightness(arrays):
    """Mean of each frame in 0..1, in order; tubelets hold two frames of 16 x 16."""
    values = arrays["tubelets"].view(-1, 2, 3 * 16 * 16).mean(dim=2) / 2 + 0.5
    return torch.cat([values[arrays["times"] == time].mean(dim=0) for time in arrays["times"].unique()])


def test_frames_are_evenly_spaced_from_first_to_last(tmp_path):
    arrays = VideoProcessor(resizing=BOX, num_frames=6)(write(tmp_path / "clip.mp4", 51))
    assert arrays["tubelets"].shape == (3 * 4, 2 * 3 * 16 * 16)
    assert arrays["times"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert arrays["rows"].tolist() == [0, 0, 1, 1] * 3 and arrays["columns"].tolist() == [0, 1, 0, 1] * 3
    torch.testing.assert_close(brightness(arrays), torch.linspace(0, 1, 6), atol=0.03, rtol=0)


def test_a_tensor_is_read_as_a_file_is(tmp_path):
    clip = torch.linspace(0, 1, 51)[:, None, None, None].expand(51, 3, 32, 32)
    processor = VideoProcessor(resizing=BOX, num_frames=6)
    from_file, from_tensor = processor(write(tmp_path / "clip.mp4", 51)), processor(clip)
    torch.testing.assert_close(from_file["tubelets"], from_tensor["tubelets"], atol=0.06, rtol=0)
    assert torch.equal(from_file["times"], from_tensor["times"])


def test_a_short_clip_repeats_its_last_frame():
    clip = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 32, 32)
    arrays = VideoProcessor(resizing=BOX, num_frames=8)(clip)
    torch.testing.assert_close(brightness(arrays), torch.tensor([0.0, 0.5, 1.0, 1.0]))
    assert VideoProcessor(resizing=BOX, num_frames=8, depth=4)(clip[:1])["tubelets"].shape[0] == 4


def test_what_is_no_video(tmp_path):
    processor = VideoProcessor(resizing=BOX, max_frames=20)
    (tmp_path / "text.mp4").write_text("no video")
    soundfile.write(tmp_path / "sound.wav", numpy.zeros(100), 16_000)
    for name, message in {
        "text.mp4": "cannot be read as video",
        "sound.wav": "holds no video track",
        write(tmp_path / "long.mp4", 30).name: "has more than the limit of 20 frames",
    }.items():
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            processor(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nowhere.mp4: no such file"):
        processor(tmp_path / "nowhere.mp4")
    with pytest.raises(ValueError, match="pixels are Float"):
        processor(torch.rand(3, 8, 8))


def test_a_silent_video_is_no_sound(tmp_path):
    with pytest.raises(ValueError, match="clip.mp4: holds no audio track"):
        Waveform.read(write(tmp_path / "clip.mp4", 3))
