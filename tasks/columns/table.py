"""Tables."""

from typing import final

from unimodal.data.columns import string
from unimodal.prenets.table import Grid
from unimodal.tasks.columns import Column, Files
from unimodal.tasks.files import check_file


@final
class TableFile(Column):
    """The path of a table with a header: CSV, or TSV by its suffix."""

    wants = "the path of a CSV or TSV file with a header"
    sample = "tables/0001.csv"

    def read(self, value: object, files: Files) -> Grid:
        path = files.find(string(value, self.wants))
        check_file(path)
        return Grid.read(path)
