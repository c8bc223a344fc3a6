import pytest
import torch

from unimodal.prenets.text import TextPrenet, TextProcessor


def test_ids_are_the_pieces_of_the_text(vocabulary):
    arrays = TextProcessor(vocabulary)("Hello, wörld!")
    assert vocabulary.pieces.decode(arrays["ids"].tolist()) == "Hello, wörld!"


def test_embeddings_are_the_tokens_own(vocabulary):
    table, ids = torch.nn.Embedding(len(vocabulary.space), 8), torch.tensor([[5, 7]])
    assert torch.equal(TextPrenet(8).embed({"ids": ids}, torch.tensor([2]), table), table(ids))


def test_bad_text_is_named(vocabulary):
    with pytest.raises(ValueError, match="the text is empty"):
        TextProcessor(vocabulary)("")
    with pytest.raises(ValueError, match="text of 99 tokens, more than the limit of 98: '11111111"):
        TextProcessor(vocabulary, max_tokens=98)("1" * 99)
    with pytest.raises(ValueError, match="text is a string, not bytes"):
        TextProcessor(vocabulary)(b"bytes")
