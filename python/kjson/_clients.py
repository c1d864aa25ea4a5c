"""The clients that users import: Python's own subclasses of the compiled classes.

They add a `__dict__`, which `unittest.mock.patch.object(producer, "send")` needs, and weak references. Compiled classes that
work from Python 3.8 on cannot have them. A call of an inherited method costs the same: types cache what they look up.
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
