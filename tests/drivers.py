"""The asynchronous classes with the calling form of the synchronous ones, so that one set of tests holds for both.

A test that uses the fixture `calling` runs twice; the second time its module's `Producer` and `Consumer` are these.
"""

import asyncio
import concurrent.futures
import threading
from typing import Any, Coroutine, Optional, Type

import kjson

__all__ = ["DrivenConsumers", "DrivenDeadLetter", "Driver"]


class Driver:
    """An event loop on its own thread, and the classes whose calls it carries out."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Awaits on the loop, and blocks here until that is over."""
        assert threading.current_thread() is not self.thread, (
            "this test calls from the loop's thread: mark it sync_only"
        )
        return asyncio.run_coroutine_threadsafe(_awaited(work), self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()

    def producer(self, *arguments: Any, **options: Any) -> "DrivenProducer":
        made = DrivenProducer(self, kjson.AsyncProducer(*arguments, **options))
        self.run(made.wrapped.start())
        return made

    def consumer(self, *topics: Any, **options: Any) -> "DrivenConsumer":
        made = DrivenConsumer(self, kjson.AsyncConsumer(*topics, **options))
        self.run(made.wrapped.start())
        return made

    def peek(self, *arguments: Any, **options: Any) -> Any:
        return self.run(_called(kjson.AsyncConsumer.peek, arguments, options))


async def _awaited(work: Any) -> Any:
    return await work


class Wrapper:
    """Everything that is not defined here is the wrapped object's own."""

    def __init__(self, driver: Driver, wrapped: Any) -> None:
        self.driver = driver
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    @property
    def __class__(self) -> Type[Any]:  # type: ignore[override]
        return type(self.wrapped)

    def __repr__(self) -> str:
        return repr(self.wrapped)

    def __len__(self) -> int:
        return len(self.wrapped)


class DrivenClient(Wrapper):
    """The methods that return coroutines."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.wrapped, name)
        if not callable(found) or name in PLAIN:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            result = self.driver.run(_called(found, arguments, options))
            return Outcome(self.driver, result) if isinstance(result, (kjson.Delivery, kjson.DeliveryBatch)) else result

        return call

    def __enter__(self) -> Any:
        assert self.driver.run(self.wrapped.__aenter__()) is self.wrapped
        return self

    def __exit__(self, *raised: Any) -> Any:
        return self.driver.run(self.wrapped.__aexit__(*raised))


PLAIN = ("metrics", "assignment", "subscription", "group_metadata")


async def _called(method: Any, arguments: Any, options: Any) -> Any:
    return await method(*arguments, **options)


class DrivenProducer(DrivenClient):
    def transaction(self) -> Any:
        return DrivenClient(self.driver, self.wrapped.transaction())


class DrivenIterator(Wrapper):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            return self.driver.run(self.wrapped.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


class DrivenConsumer(DrivenClient, DrivenIterator):
    def until_end(self, **options: Any) -> Any:
        return DrivenIterator(self.driver, self.wrapped.until_end(**options))

    def values(self) -> Any:
        return DrivenIterator(self.driver, self.wrapped.values())


class DrivenConsumers:
    """The class: made by calling it, and with the methods that take no consumer."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.peek = driver.peek

    def __call__(self, *topics: Any, **options: Any) -> DrivenConsumer:
        return self.driver.consumer(*topics, **options)


class Outcome(Wrapper):
    """A delivery, or a batch of them."""

    def result(self, timeout: Optional[float] = None) -> Any:
        if self.wrapped.done():
            timeout = None  # wait_for(batch, 0) makes a task of it and does not let that begin
        try:
            return self.driver.run(asyncio.wait_for(self.wrapped, timeout))
        except (asyncio.TimeoutError, concurrent.futures.TimeoutError) as error:
            raise kjson.KafkaTimeoutError(str(error)) from error

    def exception(self, timeout: Optional[float] = None) -> Any:
        try:
            self.result(timeout)
        except kjson.DeliveryError as error:
            return error
        return None

    def add_done_callback(self, callback: Any) -> None:
        async def add() -> None:
            self.wrapped.add_done_callback(callback)

        self.driver.run(add())


class _DeadLetter(type):
    def __call__(cls, *arguments: Any, producer: Any = None, **options: Any) -> Any:
        return kjson.DeadLetter(*arguments, producer=getattr(producer, "wrapped", producer), **options)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, kjson.DeadLetter)


class DrivenDeadLetter(metaclass=_DeadLetter):
    """`kjson.DeadLetter`, which takes a driven producer too."""
