"""The clients that users import: Python's own subclasses of the compiled classes.

They add a `__dict__`, which `unittest.mock.patch.object(producer, "send")` needs, and weak references: classes compiled
for the stable ABI of Python 3.8 cannot have them. A call of an inherited method costs the same: types cache lookups.

To `inspect`, `unittest.mock` and web frameworks the awaited methods are coroutine functions; a call runs the compiled
method.
"""

import functools
from typing import Any, Callable, Type, TypeVar

from . import _kjson

__all__ = ["AsyncConsumer", "AsyncProducer", "Consumer", "MockCluster", "Producer"]

_C = TypeVar("_C", bound=type)


def _coroutines(names: str) -> Callable[[_C], _C]:
    """Make these methods coroutine functions to introspection."""

    def decorate(client: _C) -> _C:
        for name in names.split():
            native = vars(client.__base__)[name]
            setattr(client, name, _kjson._coroutine_method(native, _function(client, native)))
        return client

    return decorate


def _function(client: Type[Any], native: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(native)
    async def method(self: Any, *arguments: Any, **options: Any) -> Any:
        return await native(self, *arguments, **options)

    method.__module__ = client.__module__
    return method


class Producer(_kjson.Producer):
    __doc__ = _kjson.Producer.__doc__
    __module__ = "kjson"


class Consumer(_kjson.Consumer):
    __doc__ = _kjson.Consumer.__doc__
    __module__ = "kjson"


@_coroutines(
    "start send send_and_wait send_many flush close begin_transaction commit_transaction abort_transaction "
    "send_offsets_to_transaction ping partitions_for __aenter__ __aexit__"
)
class AsyncProducer(_kjson.AsyncProducer):
    __doc__ = _kjson.AsyncProducer.__doc__
    __module__ = "kjson"


@_coroutines(
    "start subscribe unsubscribe assign poll consume commit committed position seek seek_to_beginning seek_to_end "
    "pause resume paused beginning_offsets end_offsets offsets_for_times lag ping close __aenter__ __aexit__"
)
class AsyncConsumer(_kjson.AsyncConsumer):
    __doc__ = _kjson.AsyncConsumer.__doc__
    __module__ = "kjson"


class MockCluster(_kjson.MockCluster):
    __doc__ = _kjson.MockCluster.__doc__
    __module__ = "kjson.testing"
