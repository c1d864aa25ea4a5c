"""The clients as Python sees them: the compiled classes with what only a class of Python's own has before 3.9, under the limited API.

That is a `__dict__`, so that `unittest.mock.patch.object(producer, "send")` works, and weak references.
"""

from . import _kjson

__all__ = ["AsyncConsumer", "AsyncProducer", "Consumer", "MockCluster", "Producer"]


class Producer(_kjson.Producer):
    __doc__ = _kjson.Producer.__doc__
    __module__ = "kjson"


class Consumer(_kjson.Consumer):
    __doc__ = _kjson.Consumer.__doc__
    __module__ = "kjson"


class AsyncProducer(_kjson.AsyncProducer):
    __doc__ = _kjson.AsyncProducer.__doc__
    __module__ = "kjson"


class AsyncConsumer(_kjson.AsyncConsumer):
    __doc__ = _kjson.AsyncConsumer.__doc__
    __module__ = "kjson"


class MockCluster(_kjson.MockCluster):
    __doc__ = _kjson.MockCluster.__doc__
    __module__ = "kjson.testing"
