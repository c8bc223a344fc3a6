"""The token table: numbers in order begin as waves, and only where nothing was read."""

from pathlib import Path

import pytest
import torch

from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.spec import load_spec
from unimodal.tables import waves

CONFIG = Path(__file__).parents[2] / "configs" / "models" / "documents.yaml"


@pytest.mark.parametrize(("num", "dim"), [(128, 64), (1000, 65), (1, 8)])
def test_neighbours_are_alike_and_a_shift_is_the_same_everywhere(num: int, dim: int) -> None:
    table = waves(num, dim)
    assert table.shape == (num, dim)
    assert torch.allclose(table.norm(dim=1), torch.ones(num), atol=0.05)
    if num > 40 and dim % 2 == 0:
        alike = table @ table.T
        assert (alike.diagonal(1) > 0.8).all() and (alike.diagonal(40) < 0.6).all()
        for shift in (1, 5, 30):
            assert torch.allclose(alike.diagonal(shift), alike[0, shift].expand(num - shift), atol=1e-4)


def test_a_new_model_begins_with_them_and_one_that_is_read_keeps_its_own(tmp_path: Path) -> None:
    model = UnimodalForConditionalGeneration(UnimodalConfig(**load_spec(CONFIG)))
    ids, table = model.vocabulary.ids("loc"), model.embedding.weight
    assert torch.equal(table[ids.start : ids.stop], waves(len(ids), table.shape[1]))
    assert not torch.equal(table[: len(ids)], waves(len(ids), table.shape[1]))
    with torch.no_grad():
        table.add_(1.0)
    model.save_pretrained(tmp_path)
    again = UnimodalForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(again.embedding.weight, table)
