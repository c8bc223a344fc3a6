"""Turns a tree of plain values (YAML, `config.json`) into objects by import path, checked against signatures.

Two steps: `_plan` checks the whole tree without building anything, `_make` builds it in signature order, so that the
key order of the tree changes nothing that a seed draws. `unimodal.spec` reads such trees from files.
"""

import difflib
import importlib
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Union, cast, get_args, get_origin, overload

T = TypeVar("T")
PLAIN = (int, float, str, bool)


class SpecError(ValueError):
    """A user's mistake in a spec; the message starts with its place in the tree."""

    def __init__(self, where: str, message: str):
        super().__init__(f"{where}: {message}")
        self.where = where


class _WrongType(SpecError):
    def __init__(self, where: str, annotation: object, spec: object):
        hint = ""
        if annotation is float and isinstance(spec, str) and _reads_as_float(spec):
            hint = "; YAML reads an exponent only after a decimal point, as in 1.0e-4"
        super().__init__(where, f"expected {_type_name(annotation)}, got {spec!r}{hint}")


@dataclass(frozen=True)
class Factory:
    """A checked part that is built when called: the arguments of the call complete those of the spec.

    Every call builds new nested parts, so a stack gets fresh layers from one factory.
    """

    target: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]
    arguments: Mapping[str, Any]
    context: Mapping[str, Any]
    where: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = inspect.Signature(list(self.parameters.values())).bind_partial(*args, **kwargs).arguments
        for name in call:
            if name in self.arguments:
                raise SpecError(f"{self.where}.{name}", "is set by the part above and cannot be set here")
        _require(self, {*self.context, *call, *self.arguments})
        built = {name: _make(plan) for name, plan in self.arguments.items()}
        try:
            return self.target(**{**self.context, **call, **built})
        except SpecError:
            raise
        except ValueError as error:
            raise SpecError(self.where, str(error)) from error


@dataclass(frozen=True)
class _Instance:
    factory: Factory


@overload
def build(
    spec: object, expected: type[T], where: str = "config", *, allow: tuple[str, ...] = ..., **context: object
) -> T: ...
@overload
def build(
    spec: object, expected: Any, where: str = "config", *, allow: tuple[str, ...] = ..., **context: object
) -> Any: ...
def build(
    spec: object, expected: Any, where: str = "config", *, allow: tuple[str, ...] = ("unimodal.",), **context: object
) -> Any:
    """Builds what `spec` describes, as an `expected` (a class, or an annotation such as `Callable[..., Mixer]`).

    A mapping with `class:` or a bare dotted path becomes an instance, or a `Factory` where a callable is annotated.
    `context` fills, at any depth, parameters of that name which the spec leaves out (one TokenSpace for all codecs).
    Only names below a prefix in `allow` are imported. Raises ValueError that starts with the place in the tree.
    """
    return _make(_plan(spec, expected, where, _Rules(allow, context)))


@dataclass(frozen=True)
class _Rules:
    allow: tuple[str, ...]
    context: Mapping[str, object]


def _make(plan: Any) -> Any:
    if type(plan) is _Instance:
        return plan.factory()
    if type(plan) in (list, tuple):
        return type(plan)(_make(item) for item in plan)
    if type(plan) is dict:
        return {key: _make(value) for key, value in plan.items()}
    return plan


def _plan(spec: Any, annotation: Any, where: str, rules: _Rules) -> Any:
    origin, inner = get_origin(annotation) or annotation, get_args(annotation)
    if annotation in (Any, object, inspect.Parameter.empty):
        return spec
    if origin in (Union, types.UnionType):
        return _plan_union(spec, annotation, where, rules)
    if annotation in (None, type(None)) or annotation in PLAIN or annotation is Path:
        return _plan_plain(spec, annotation, where)
    if origin is Callable:
        supplied, result = inner if inner else (..., object)
        return _plan_part(spec, result, where, rules, None if supplied is ... else len(supplied))
    if origin in (list, tuple, Sequence):
        return _plan_sequence(spec, annotation, where, rules)
    if origin in (dict, Mapping):
        if not isinstance(spec, Mapping):
            raise _WrongType(where, annotation, spec)
        key_type, value_type = inner or (Any, Any)
        for key in spec:
            _plan(key, key_type, f"{where}.{key}", rules)
        # Sorted, since no signature gives an order here and the order of the keys must not matter.
        return {key: _plan(spec[key], value_type, f"{where}.{key}", rules) for key in sorted(spec)}
    return _Instance(_plan_part(spec, origin, where, rules, supplied=0))


def _plan_plain(spec: Any, annotation: Any, where: str) -> Any:
    if annotation is float and type(spec) is int:
        return float(spec)
    if annotation is Path and type(spec) is str:
        return Path(spec)
    if type(spec) is not (type(None) if annotation is None else annotation):
        raise _WrongType(where, annotation, spec)
    return spec


def _plan_sequence(spec: Any, annotation: Any, where: str, rules: _Rules) -> Any:
    if not isinstance(spec, (list, tuple)):
        raise _WrongType(where, annotation, spec)
    inner = get_args(annotation) or (Any,)
    is_tuple = get_origin(annotation) is tuple or annotation is tuple
    item_types = list(inner) if is_tuple and inner[-1] is not ... else [inner[0]] * len(spec)
    if len(item_types) != len(spec):
        raise _WrongType(where, annotation, spec)
    items = [
        _plan(item, item_type, f"{where}[{i}]", rules)
        for i, (item, item_type) in enumerate(zip(spec, item_types, strict=True))
    ]
    return tuple(items) if is_tuple else items


def _plan_union(spec: Any, annotation: Any, where: str, rules: _Rules) -> Any:
    if spec is None and type(None) in get_args(annotation):
        return None
    errors = []
    for arm in get_args(annotation):
        if arm is type(None):
            continue
        try:
            return _plan(spec, arm, where, rules)
        except SpecError as error:
            errors.append(error)
    telling = [error for error in errors if error.where != where or not isinstance(error, _WrongType)]
    raise max(telling or [_WrongType(where, annotation, spec)], key=lambda error: len(error.where))


def _plan_part(spec: Any, expected: Any, where: str, rules: _Rules, supplied: int | None) -> Factory:
    """Checks a part; `supplied` is the number of arguments that the caller will add, None where unknown."""
    expected = get_origin(expected) or (object if expected is Any else expected)
    dotted = spec.get("class") if isinstance(spec, Mapping) else spec
    if not isinstance(dotted, str):
        wanted = f"{_article(expected.__name__)} (a mapping with 'class:' or a dotted path)"
        raise _WrongType(where, wanted, dict(spec) if isinstance(spec, Mapping) else spec)
    target = _import(dotted, where, rules.allow)
    signature = inspect.signature(target, eval_str=True)
    made = target if inspect.isclass(target) else get_origin(signature.return_annotation) or signature.return_annotation
    if not (inspect.isclass(made) and issubclass(made, expected)):
        raise SpecError(where, f"{dotted} is not {_article(expected.__name__)}")
    if inspect.isabstract(target):
        raise SpecError(where, f"{dotted} is abstract; name one of its answers")
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = {name: p for name, p in signature.parameters.items() if p.kind not in variadic}
    given = {key: value for key, value in spec.items() if key != "class"} if isinstance(spec, Mapping) else {}
    for name in given:
        if name not in parameters:
            _reject(name, target.__name__, parameters, where)
    arguments = {
        name: _plan(given[name], parameter.annotation, f"{where}.{name}", rules)
        for name, parameter in parameters.items()
        if name in given
    }
    context = {name: value for name, value in rules.context.items() if name in parameters}
    factory = Factory(target, parameters, arguments, context, where)
    if supplied is not None:
        added = list(parameters)[:supplied]
        for name in added:
            if name in given:
                raise SpecError(f"{where}.{name}", "is set by the part above and cannot be set here")
        _require(factory, {*added, *arguments, *context})
    return factory


def _require(factory: Factory, given: set[str]) -> None:
    missing = [n for n, p in factory.parameters.items() if p.default is inspect.Parameter.empty and n not in given]
    if missing:
        raise SpecError(factory.where, f"{factory.target.__name__} needs {', '.join(missing)}")


def _reject(name: object, owner: str, parameters: Mapping[str, object], where: str) -> NoReturn:
    close = difflib.get_close_matches(str(name), list(parameters), n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"it takes {', '.join(parameters) or 'no arguments'}"
    raise SpecError(f"{where}.{name}", f"{owner} takes no '{name}'; {hint}")


def _import(dotted: str, where: str, allow: tuple[str, ...]) -> Callable[..., Any]:
    module_name, _, name = dotted.rpartition(".")
    if not dotted.startswith(allow):
        raise SpecError(where, f"'{dotted}' is not below {' or '.join(allow)} and may not be imported")
    try:
        target = vars(importlib.import_module(module_name))[name]
    except KeyError:
        raise SpecError(where, f"cannot import '{dotted}' (no attribute '{name}')") from None
    except ImportError as error:
        raise SpecError(where, f"cannot import '{dotted}' ({error})") from error
    if not (inspect.isclass(target) or inspect.isfunction(target)):
        raise SpecError(where, f"{dotted} is neither a class nor a function")
    # A module also holds what it imports: the place of definition counts, so `unimodal.build.Path` stays out.
    if not f"{target.__module__}.".startswith(allow):
        raise SpecError(where, f"'{dotted}' comes from {target.__module__} and may not be imported")
    return cast(Callable[..., Any], target)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type_name(arm) for arm in get_args(annotation))
    if annotation in (None, type(None)):
        return "null"
    return annotation.__name__ if not get_args(annotation) else str(annotation).removeprefix("collections.abc.")


def _reads_as_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
