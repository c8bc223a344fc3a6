"""Raw values as HTML that carries its data along: pictures, players, tables, code.

n samples, i height, j width of a picture
"""

import base64
import io
from collections.abc import Sequence

from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor
from torch.nn import functional

from unimodal.annotations import Annotation, draw
from unimodal.html_tables import HtmlTable

THUMBNAIL = 160
"""Longer side of a picture, in pixels; small pictures are drawn larger by the page."""
SOUND_RATE = 16_000
MOST_ROWS = 12
MOST_COLUMNS = 8


def text(value: object) -> Markup:
    """A line of text; nothing is said to be nothing."""
    written = str(value)
    return Markup("<span class=text>{}</span>").format(written) if written.strip() else Markup("<i>nothing</i>")


def code(source: object) -> Markup:
    """Source code, its blanks kept."""
    return Markup("<pre>{}</pre>").format(str(source).rstrip("\n"))


def picture(pixels: Float[Tensor, "3 i j"], annotations: Sequence[Annotation] = ()) -> Markup:
    """A thumbnail of a picture in 0..1, with what was found in it."""
    longest = max(pixels.shape[1:])
    if longest > THUMBNAIL:
        scale = THUMBNAIL / longest
        pixels = functional.interpolate(pixels[None], scale_factor=scale, mode="bilinear", antialias=True)[0]
    file, image = io.BytesIO(), draw(pixels, annotations)
    image.save(file, "PNG", optimize=True)
    return Markup('<img src="{}" width={} height={} alt="input picture">').format(
        _data("image/png", file.getvalue()), image.width, image.height
    )


def sound(samples: Float[Tensor, " n"], rate: int) -> Markup:
    """A player of mono sound, at 16 kHz."""
    import soundfile

    if rate != SOUND_RATE:
        from torchaudio.functional import resample

        samples, rate = resample(samples, rate, SOUND_RATE), SOUND_RATE
    file = io.BytesIO()
    soundfile.write(file, samples.clamp(-1, 1).cpu().numpy(), rate, format="FLAC", subtype="PCM_16")
    return Markup('<audio controls preload="metadata" src="{}"></audio>').format(_data("audio/flac", file.getvalue()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table; of a large one the first rows and columns."""
    shown = [row[:MOST_COLUMNS] for row in rows[:MOST_ROWS]]
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in header[:MOST_COLUMNS])
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in shown
    )
    return Markup("<table class=grid><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def html_table(table: HtmlTable) -> Markup:
    """A table whose cells may reach over several rows or columns."""
    return Markup(str(table).replace("<table>", "<table class=grid>", 1))


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
