"""Automata against Python's `re` on random expressions, and the laws of a Grammar."""

import itertools
import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unimodal.expressions import any_of, choice, literal, repeat, sequence
from unimodal.grammars import DEAD
from unimodal.grammars.automaton import Automaton

END, SIZE = 0, 6
LETTERS = "abcde"  # token 1 is "a", ...
law = settings(deadline=None, suppress_health_check=list(HealthCheck))


# Trees of plain values, made into an expression and a pattern by `both`:
# a set of tokens, ("sequence" | "choice", parts), or ("repeat", part, minimum, maximum).
trees = st.recursive(
    st.sets(st.integers(1, 5), min_size=1),
    lambda inner: (
        st.tuples(st.just("sequence"), st.lists(inner, max_size=3))
        | st.tuples(st.just("choice"), st.lists(inner, min_size=1, max_size=3))
        | st.tuples(st.just("repeat"), inner, st.integers(0, 2), st.none() | st.integers(2, 4))
    ),
    max_leaves=6,
)


def both(tree):
    """The same language as an expression and as a pattern of `re`."""
    if isinstance(tree, set):
        return any_of(tree), "[" + "".join(LETTERS[token - 1] for token in tree) + "]"
    if tree[0] == "repeat":
        _, part, minimum, maximum = tree
        expression, pattern = both(part)
        return repeat(expression, minimum, maximum), f"(?:{pattern}){{{minimum},{'' if maximum is None else maximum}}}"
    combine, sign = {"sequence": (sequence, ""), "choice": (choice, "|")}[tree[0]]
    parts = [both(part) for part in tree[1]]
    return combine(*(expression for expression, _ in parts)), f"(?:{sign.join(pattern for _, pattern in parts)})"


@law
@given(tree=trees, words=st.lists(st.lists(st.integers(1, 5), max_size=6), max_size=20))
def test_automaton_and_re_accept_the_same(tree, words):
    rules, pattern = both(tree)
    automaton = Automaton.compile(rules, SIZE, END)
    for word in [*words, *([token] for token in range(1, 6)), []]:
        text = "".join(LETTERS[token - 1] for token in word)
        assert automaton.accepts([*word, END]) == (re.fullmatch(pattern, text) is not None), (pattern, text)
        assert not automaton.accepts(word)
        assert not automaton.accepts([*word, END, END])


@law
@given(tree=trees, seed=st.integers(0, 99))
def test_no_walk_sticks(tree, seed):
    automaton, generator = Automaton.compile(both(tree)[0], SIZE, END), torch.Generator().manual_seed(seed)
    state, every = automaton.start(1), torch.arange(SIZE)
    for step in itertools.count():
        allowed = automaton.allowed(state)
        assert torch.equal(automaton.step(state.expand(SIZE), every) != DEAD, allowed[0])
        if automaton.final(state).all():
            break
        weights = allowed.float()
        weights[:, END] *= 1e6 if step > 20 else 1
        state = automaton.step(state, torch.multinomial(weights, 1, generator=generator)[:, 0])
    assert not allowed.any()


def test_tokens_that_no_rule_tells_apart_share_a_column():
    size = 30_000
    automaton = Automaton.compile(repeat(any_of(range(10, size)), 1, 200) | literal([5, 6]), size, END)
    assert automaton.num_states == 204
    assert automaton._table.shape == (205, 5)
    assert automaton.accepts([*range(10, 210), END])
    assert not automaton.accepts([*range(10, 211), END])


def test_a_trie_shares_beginnings():
    words = [[1, 2, 3], [1, 2, 4], [1, 2], [5]]
    automaton = Automaton.compile(choice(*map(literal, words)), SIZE, END)
    assert automaton.allowed(automaton.start(1))[0].nonzero()[:, 0].tolist() == [1, 5]
    state = automaton.step(automaton.step(automaton.start(1), torch.tensor([1])), torch.tensor([2]))
    assert automaton.allowed(state)[0].nonzero()[:, 0].tolist() == [END, 3, 4]


def test_paths_without_an_end_are_left_out():
    nothing = any_of([])
    automaton = Automaton.compile(literal([1, 2]) | (literal([1, 3]) + nothing), SIZE, END)
    state = automaton.step(automaton.start(1), torch.tensor([1]))
    assert automaton.allowed(state)[0].nonzero()[:, 0].tolist() == [2]
    with pytest.raises(ValueError, match="accepts no sequence at all"):
        Automaton.compile(nothing, SIZE, END)


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="more than 50000 states"):
        Automaton.compile(repeat(literal([1, 2]), 0, 30_000), SIZE, END)
    with pytest.raises(ValueError, match="more than 500 states"):
        # The token ten places before the end is a 1: a deterministic automaton must remember the last ten tokens.
        pattern = repeat(any_of([1, 2])) + literal([1]) + repeat(any_of([1, 2]), 9, 9)
        Automaton.compile(pattern, SIZE, END, most_states=500)
    with pytest.raises(ValueError, match="2 to 1 times"):
        repeat(literal([1]), 2, 1)
