"""Questions to AWS that are asked at once: one after the other, twenty of them are seconds of every preview."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Hashable, Iterable, Mapping
from typing import Any, TypeVar, cast

import pulumi

# What every data source of the SDK waits with; there is no public way to wait for several.
from pulumi.runtime.sync_await import _sync_await  # pyright: ignore[reportPrivateUsage]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def ask(token: str, arguments: Mapping[str, Any], kind: type[T], opts: pulumi.InvokeOptions) -> Awaitable[T]:
    """Ask a function of the AWS provider, to wait for the answer with others.

    The generated function waits for its own answer; an error of its output form would end the program.

    Args:
        token: The function's.
        arguments: By the provider's names.
        kind: The SDK's class of the answer.
        opts: Whose provider is asked.
    """
    version = pulumi.InvokeOptions(version=importlib.metadata.version("pulumi-aws"))
    return pulumi.runtime.invoke_async(token, dict(arguments), pulumi.InvokeOptions.merge(version, opts), kind)


def together(questions: Mapping[K, Awaitable[T]]) -> dict[K, T | Exception]:
    """Ask all of them and wait for the last answer.

    An answer that is an error is returned as such: whoever asks knows which of them stand for "there is none".
    """

    async def answers() -> list[T | BaseException]:
        return await asyncio.gather(*questions.values(), return_exceptions=True)

    found: dict[K, T | Exception] = {}
    for key, answer in zip(questions, _sync_await(answers()), strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, Exception):
            raise answer
        found[key] = answer
    return found


def everything(answer: Awaitable[T]) -> T:
    """Wait for one answer that is made of many (see `all_of`)."""
    return _sync_await(answer)


async def all_of(questions: Iterable[Awaitable[T]]) -> list[T]:
    """The answers to questions that are asked at once; the first error only when the others have come."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast(list[T], answers)


def answered(answer: T | Exception) -> T:
    """The answer.

    Raises:
        Exception: when it is an error.
    """
    if isinstance(answer, Exception):
        raise answer
    return answer


def known(output: pulumi.Output[T]) -> T:
    """Wait for what a data source's ``…_output`` form was asked for: ask all that is needed first, then wait.

    Raises:
        ValueError: when it is not known before an update.
    """
    value = _sync_await(output.future())
    if value is None:
        raise ValueError("what a data source was asked depends on something that only an update will know")
    return value
