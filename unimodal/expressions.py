"""Regular expressions over tokens, which `Automaton.compile` makes a grammar of."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import final


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
