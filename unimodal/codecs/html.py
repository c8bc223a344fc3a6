"""Tables with what their cells say, all in one sequence."""

from collections.abc import Sequence
from typing import final

from unimodal.codecs import Codec
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.tables import TableCodec
from unimodal.grammars import Grammar
from unimodal.grammars.grid import MOST_COLUMNS
from unimodal.html_tables import HtmlTable
from unimodal.vocabulary import Vocabulary


@final
class HtmlCodec(Codec[HtmlTable]):
    """A table as `TableCodec` writes it, with the characters of each cell behind its mark.

    A single sequence, whose serial length grows with all that is written; in two stages only the marks and places are
    written one after the other. Outside the grammar: as `TableCodec`.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "grid", most_columns: int = MOST_COLUMNS):
        self._cells = TableCodec(vocabulary, CharacterCodec(vocabulary), kind=kind, most_columns=most_columns)

    def encode(self, obj: HtmlTable) -> list[int]:
        return self._cells.encode([*obj.cells])

    def decode(self, ids: Sequence[int]) -> HtmlTable:
        return HtmlTable(tuple(self._cells.decode(ids)))

    def grammar(self) -> Grammar:
        return self._cells.grammar()
