"""The exception tree: whose child each is, which built-in handler catches it, and that it survives pickling."""

import inspect
import pickle
from typing import List, Type

import pytest

import kjson
from kjson import exceptions
from kjson.exceptions import FailedRecord, KafkaError

TREE = {
    "KafkaError": (Exception,),
    "KafkaConnectionError": (KafkaError, ConnectionError),
    "AuthenticationError": (exceptions.KafkaConnectionError,),
    "TlsError": (exceptions.KafkaConnectionError,),
    "KafkaTimeoutError": (KafkaError, TimeoutError),
    "FlushTimeoutError": (exceptions.KafkaTimeoutError,),
    "QueueFullError": (KafkaError, BufferError),
    "DeliveryError": (KafkaError,),
    "SerializationError": (KafkaError, ValueError),
    "EncodeError": (exceptions.SerializationError, TypeError),
    "DecodeError": (exceptions.SerializationError,),
    "ConfigError": (KafkaError, ValueError),
    "UnknownTopicError": (KafkaError,),
    "AuthorizationError": (KafkaError,),
    "MessageTooLargeError": (KafkaError,),
    "CommitError": (KafkaError,),
    "TransactionError": (KafkaError,),
    "FencedError": (exceptions.TransactionError,),
    "ClosedError": (KafkaError, RuntimeError),
    "ForkError": (KafkaError, RuntimeError),
}

CLASSES: List[Type[KafkaError]] = [getattr(exceptions, name) for name in TREE]


@pytest.mark.parametrize("name", TREE)
def test_each_class_has_its_bases_and_is_exported(name: str) -> None:
    assert getattr(exceptions, name).__bases__ == TREE[name]
    assert getattr(kjson, name) is getattr(exceptions, name)


def test_the_tree_is_complete() -> None:
    defined = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == exceptions.__name__
    }
    assert defined == set(TREE)


@pytest.mark.parametrize("cls", CLASSES)
def test_each_class_says_what_it_means(cls: Type[KafkaError]) -> None:
    assert cls.__doc__
    assert (cls.code, cls.name, cls.retriable, cls.fatal) == (None, None, False, False)


@pytest.mark.parametrize("cls", CLASSES)
def test_each_class_pickles_with_its_attributes(cls: Type[KafkaError]) -> None:
    error = cls("cannot do it", code=-195, name="_TRANSPORT", retriable=True)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (str(copy), copy.code, copy.name, copy.retriable, copy.fatal) == (
        "cannot do it",
        -195,
        "_TRANSPORT",
        True,
        False,
    )


def test_the_attributes_of_the_special_ones_pickle_too() -> None:
    inner = exceptions.MessageTooLargeError("too large", code=10)
    failed = FailedRecord("t", 1, b"k", b"v", inner)
    delivery = pickle.loads(pickle.dumps(exceptions.DeliveryError("2 lost", failures=(failed,))))
    assert delivery.failures[0][:4] == ("t", 1, b"k", b"v")
    assert delivery.failures[0].error.code == 10

    decode = exceptions.DecodeError("bad", topic="t", partition=0, offset=7, raw_value=b"{", line=1, column=2)
    copy = pickle.loads(pickle.dumps(decode))
    assert (copy.topic, copy.partition, copy.offset, copy.raw_value, copy.line, copy.column) == ("t", 0, 7, b"{", 1, 2)


def test_attributes_of_one_error_do_not_show_on_another() -> None:
    exceptions.KafkaConnectionError("one", causes={"a:1": "refused"})
    assert exceptions.KafkaConnectionError("two").causes == {}


def test_an_attribute_that_the_class_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="no attribute 'remaining'"):
        exceptions.QueueFullError("full", remaining=1)
