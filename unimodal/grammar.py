"""Which token may follow which: a Grammar is a set of token sequences that a decoder can be held to.

b batch, v vocabulary, s states, c classes of tokens that no rule tells apart, e sets of tokens in the rules
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

DEAD = -1
NEVER = torch.iinfo(torch.long).max


class Grammar(ABC):
    """A set of token sequences, read one token at a time with a state that is an integer.

    Laws: `step` leads to `DEAD` exactly for tokens that are not `allowed`; `DEAD` allows nothing and stays dead;
    from every other state some sequence leads to a final state, so a decoder that takes allowed tokens is never stuck,
    and one that takes those allowed `within` its last n tokens has come to a final state when they are used up.
    """

    @abstractmethod
    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        """The state before the first token."""

    @abstractmethod
    def allowed(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b v"]:
        """The tokens that may come next; with `within`, those that begin a way to a final state of so many tokens."""

    @abstractmethod
    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The state after one more token."""

    @abstractmethod
    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        """Whether the tokens so far are a whole sequence of the language."""

    @abstractmethod
    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The fewest tokens that lead to a final state; `NEVER` from `DEAD`."""

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether a sequence, its end token included, belongs to the language."""
        state = self.start(1)
        for token in tokens:
            state = self.step(state, torch.tensor([token]))
        return bool(self.final(state))


class Expression(ABC):
    """A regular expression over tokens; `Automaton.compile` makes a Grammar of it."""

    @abstractmethod
    def wire(self, rules: "Rules", source: int) -> int:
        """Adds the paths of this expression, beginning at `source`, to the rules; the state where they end."""

    def __or__(self, other: "Expression") -> "Expression":
        return choice(self, other)

    def __add__(self, other: "Expression") -> "Expression":
        return sequence(self, other)


class Rules:
    """A nondeterministic automaton while it is wired: moves over sets of tokens, and jumps that read nothing."""

    def __init__(self, most_states: int) -> None:
        self.most_states = most_states
        self.moves: list[list[tuple[int, int]]] = []
        self.jumps: list[list[int]] = []
        self.sets: dict[frozenset[int], int] = {}
        self.origin = self.state()

    def state(self) -> int:
        """A new state."""
        if len(self.moves) >= self.most_states:
            raise ValueError(f"the grammar needs more than {self.most_states} states")
        self.moves.append([])
        self.jumps.append([])
        return len(self.moves) - 1

    def move(self, source: int, tokens: frozenset[int], target: int) -> None:
        """Lets any of the tokens lead from source to target."""
        self.moves[source].append((self.sets.setdefault(tokens, len(self.sets)), target))

    def jump(self, source: int, target: int) -> None:
        """Leads from source to target without a token."""
        self.jumps[source].append(target)

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """All states that jumps reach."""
        reached, waiting = set(states), list(states)
        while waiting:
            for target in self.jumps[waiting.pop()]:
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)


@final
class _AnyOf(Expression):
    def __init__(self, tokens: frozenset[int]):
        self.tokens = tokens

    def wire(self, rules: Rules, source: int) -> int:
        target = rules.state()
        rules.move(source, self.tokens, target)
        return target


@final
class _Sequence(Expression):
    def __init__(self, parts: tuple[Expression, ...]):
        self.parts = parts

    def wire(self, rules: Rules, source: int) -> int:
        for part in self.parts:
            source = part.wire(rules, source)
        return source


@final
class _Choice(Expression):
    def __init__(self, parts: tuple[Expression, ...]):
        self.parts = parts

    def wire(self, rules: Rules, source: int) -> int:
        target = rules.state()
        for part in self.parts:
            rules.jump(part.wire(rules, source), target)
        return target


@final
class _Repeat(Expression):
    def __init__(self, part: Expression, minimum: int, maximum: int | None):
        self.part, self.minimum, self.maximum = part, minimum, maximum

    def wire(self, rules: Rules, source: int) -> int:
        for _ in range(self.minimum):
            source = self.part.wire(rules, source)
        target = rules.state()
        rules.jump(source, target)
        if self.maximum is None:
            rules.jump(self.part.wire(rules, target), target)
            return target
        for _ in range(self.maximum - self.minimum):
            source = self.part.wire(rules, source)
            rules.jump(source, target)
        return target


def any_of(tokens: Iterable[int]) -> Expression:
    """One token out of a set."""
    return _AnyOf(frozenset(tokens))


def literal(tokens: Iterable[int]) -> Expression:
    """These tokens, one after the other."""
    return _Sequence(tuple(any_of([token]) for token in tokens))


def sequence(*parts: Expression) -> Expression:
    """All parts, one after the other."""
    return _Sequence(parts)


def choice(*parts: Expression) -> Expression:
    """One of the parts."""
    return _Choice(parts)


def repeat(part: Expression, minimum: int = 0, maximum: int | None = None) -> Expression:
    """A part several times; without a maximum, without bound."""
    if minimum < 0 or (maximum is not None and maximum < minimum):
        raise ValueError(f"a part cannot be repeated {minimum} to {maximum} times")
    return _Repeat(part, minimum, maximum)


@final
class Automaton(Grammar):
    """A regular language as a transition table over classes of tokens (subset construction: Rabin and Scott, 1959).

    Tokens that no rule tells apart share a column, so the table has states x classes entries, not states x vocabulary.
    """

    def __init__(self, table: Int[Tensor, "s c"], classes: Int[Tensor, " v"], finals: Bool[Tensor, " s"]):
        # A last row stands for DEAD: index -1 finds it.
        self._table = torch.cat([table, table.new_full((1, table.shape[1]), DEAD)])
        self._classes = classes
        self._finals = torch.cat([finals, finals.new_zeros(1)])
        self._distances = _distances(self._table, self._finals)

    @classmethod
    def compile(cls, expression: Expression, size: int, end: int, *, most_states: int = 50_000) -> "Automaton":
        """The expression followed by the end token, over `size` token ids; final states allow nothing.

        Raises ValueError where that takes more states than `most_states`, or no sequence is left.
        """
        rules = Rules(most_states)
        last = sequence(expression, any_of([end])).wire(rules, rules.origin)
        classes, members = _classes(list(rules.sets), size)
        table, finals = _determine(rules, members, last)
        return cls(*_trim(table, classes, finals))

    @property
    def num_states(self) -> int:
        """States, the dead one left out."""
        return len(self._finals) - 1

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return torch.zeros(rows, dtype=torch.long, device=device)

    def allowed(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b v"]:
        self._follow(state.device)
        following = self._table[state]
        live = following != DEAD if within is None else self._distances[following] < within[..., None]
        return live[..., self._classes]

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        return self._table[state, self._classes[token]]

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        self._follow(state.device)
        return self._finals[state]

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        return self._distances[state]

    def _follow(self, device: torch.device) -> None:
        """Moves the table to where it is used; once, as a decoder stays on its device."""
        if self._table.device != device:
            self._table, self._classes = self._table.to(device), self._classes.to(device)
            self._finals, self._distances = self._finals.to(device), self._distances.to(device)


def _distances(table: Int[Tensor, "s c"], finals: Bool[Tensor, " s"]) -> Int[Tensor, " s"]:
    """The fewest tokens from each state to a final one."""
    distances = torch.where(finals, 0, NEVER)
    reached, steps = finals, 0
    while True:
        steps += 1
        new = reached[table].any(1) & (distances == NEVER)
        if not new.any():
            return distances
        distances = torch.where(new, steps, distances)
        reached = reached | new


def _classes(sets: list[frozenset[int]], size: int) -> tuple[Int[Tensor, " v"], list[list[int]]]:
    """The class of each token, and the classes that each set holds."""
    inside = torch.zeros(len(sets), size, dtype=torch.bool)
    for row, tokens in enumerate(sets):
        assert all(0 <= token < size for token in tokens), "a rule names a token outside the vocabulary"
        inside[row, list(tokens)] = True
    distinct, classes = torch.unique(inside, dim=1, return_inverse=True)
    return classes, [row.nonzero()[:, 0].tolist() for row in distinct]


def _determine(rules: Rules, members: list[list[int]], last: int) -> tuple[list[dict[int, int]], list[bool]]:
    """The deterministic automaton: for each state (a set of the rules' states) the next state by class."""
    first = rules.closure([rules.origin])
    number, waiting, table, finals = {first: 0}, deque([first]), list[dict[int, int]](), list[bool]()
    while waiting:
        states = waiting.popleft()
        reached: dict[int, set[int]] = {}
        for state in states:
            for tokens, target in rules.moves[state]:
                for column in members[tokens]:
                    reached.setdefault(column, set()).add(target)
        closures: dict[frozenset[int], frozenset[int]] = {}
        row = {}
        for column, targets in reached.items():
            key = frozenset(targets)
            following = closures[key] if key in closures else closures.setdefault(key, rules.closure(key))
            if following not in number:
                if len(number) >= rules.most_states:
                    raise ValueError(f"the grammar needs more than {rules.most_states} states")
                number[following] = len(number)
                waiting.append(following)
            row[column] = number[following]
        table.append(row)
        finals.append(last in states)
    return table, finals


def _trim(
    table: list[dict[int, int]], classes: Int[Tensor, " v"], finals: list[bool]
) -> tuple[Int[Tensor, "s c"], Int[Tensor, " v"], Bool[Tensor, " s"]]:
    """Leaves out the states from which no final state can be reached, and lays the rest out as tensors."""
    sources: list[list[int]] = [[] for _ in table]
    for source, row in enumerate(table):
        for target in row.values():
            sources[target].append(source)
    alive = {state for state, is_final in enumerate(finals) if is_final}
    waiting = list(alive)
    while waiting:
        for source in sources[waiting.pop()]:
            if source not in alive:
                alive.add(source)
                waiting.append(source)
    if 0 not in alive:
        raise ValueError("the grammar accepts no sequence at all")
    number = {state: place for place, state in enumerate(sorted(alive))}
    result = torch.full((len(alive), int(classes.max()) + 1), DEAD)
    for state, place in number.items():
        live = {column: number[target] for column, target in table[state].items() if target in alive}
        result[place, list(live)] = torch.tensor(list(live.values()), dtype=torch.long)
    return result, classes, torch.tensor([finals[state] for state in number])
