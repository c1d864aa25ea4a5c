"""What programs build around the clients: subclasses with other arguments, mixins, weak references, attributes."""

import asyncio
import copy
import gc
import pickle
import weakref
from abc import ABC
from dataclasses import dataclass
from typing import Any, Generic, Iterator, TypeVar
from unittest.mock import patch

import pytest

from kjson import AsyncConsumer, AsyncProducer, Consumer, KafkaConnectionError, KafkaError, Producer
from kjson.testing import MockCluster

from .children import run_program
from .peers import read_records

T = TypeVar("T")


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with MockCluster(topics=["t"]) as cluster:
        yield cluster.bootstrap_servers


@pytest.fixture(params=[Producer, Consumer, AsyncProducer, AsyncConsumer], ids=lambda client: client.__name__)
def client(request: pytest.FixtureRequest) -> Any:
    return request.param


def usable(made: Any) -> bool:
    return made.metrics()["last_error"] is None and "__init__" not in repr(made)


def test_a_subclass_has_an_init_of_its_own(client: Any, servers: str) -> None:
    class OfTeam(client):
        def __init__(self, team: str, *, region: str = "eu") -> None:
            super().__init__(bootstrap_servers=servers)
            self.team, self.region = team, region

    made = OfTeam("billing", region="us")
    assert usable(made)
    assert (made.team, made.region) == ("billing", "us")
    with pytest.raises(TypeError, match="regio"):
        OfTeam("billing", regio="us")


def test_a_subclass_has_a_new_of_its_own(client: Any, servers: str) -> None:
    class OfTeam(client):
        def __new__(cls, team: str) -> Any:
            made = super().__new__(cls, bootstrap_servers=servers)
            assert usable(made)
            return made

    assert usable(OfTeam("billing"))


def test_new_and_init_of_a_subclass_work_together(client: Any, servers: str) -> None:
    class Counted(client):
        made = 0

        def __new__(cls, *arguments: Any, **options: Any) -> Any:
            cls.made += 1
            return super().__new__(cls, *arguments, **options)

        def __init__(self, team: str) -> None:
            super().__init__(bootstrap_servers=servers)

    assert usable(Counted("billing"))
    assert Counted.made == 1


def test_a_singleton_is_made_once(client: Any, servers: str) -> None:
    class Single(client):
        one: Any = None

        def __new__(cls) -> Any:
            if cls.one is None:
                cls.one = super().__new__(cls, bootstrap_servers=servers)
            return cls.one

    assert Single() is Single()
    assert usable(Single())


def test_mixins_before_and_after_the_client(client: Any, servers: str) -> None:
    class Named:
        def __init__(self, *, name: str, **options: Any) -> None:
            super().__init__(**options)
            self.name = name

    class Audited(ABC):  # noqa: B024
        def audit(self) -> str:
            return "audited"

    class Both(Named, client, Audited):
        pass

    made = Both(name="one", bootstrap_servers=servers)
    assert usable(made)
    assert (made.name, made.audit()) == ("one", "audited")


def test_a_dataclass_is_a_client(client: Any, servers: str) -> None:
    @dataclass(eq=False)
    class OfTeam(client):
        team: str

        def __post_init__(self) -> None:
            super().__init__(bootstrap_servers=servers)

    made = OfTeam("billing")
    assert usable(made)
    assert made.team == "billing"


@pytest.mark.parametrize("generic", [Consumer, AsyncConsumer])
def test_a_subclass_of_a_consumer_of_a_type(generic: Any, servers: str) -> None:
    class OfInt(generic[int]):
        pass

    class OfAny(generic[T], Generic[T]):
        def __init__(self, team: str) -> None:
            super().__init__("t", bootstrap_servers=servers)

    assert usable(OfInt("t", bootstrap_servers=servers))
    assert usable(OfAny("billing"))


USES = {
    Producer: [
        "send('t', 1)",
        "send_and_wait('t', 1)",
        "send_many('t', [1])",
        "flush()",
        "ping()",
        "begin_transaction()",
    ],
    Consumer: [
        "poll()",
        "consume()",
        "commit()",
        "seek_to_end()",
        "subscribe('t')",
        "__iter__()",
        "__next__()",
        "lag()",
    ],
    AsyncProducer: ["send('t', 1)", "send_many('t', [1])", "flush()", "start()", "transaction()", "__aenter__()"],
    AsyncConsumer: ["poll()", "consume()", "commit()", "subscribe('t')", "__aiter__()", "__anext__()", "__aenter__()"],
    MockCluster: ["create_topic('t')", "broker_down(1)", "bootstrap_servers", "close()"],
}


@pytest.mark.parametrize(("made_of", "use"), [(one, use) for one in USES for use in USES[one]])
def test_without_init_every_use_says_what_is_missing(made_of: Any, use: str) -> None:
    class Forgetful(made_of):
        def __init__(self) -> None:
            pass

    made = Forgetful()
    assert "__init__ was not called" in repr(made)

    async def run(made: Any) -> None:
        await eval(f"made.{use}", {"made": made})

    with pytest.raises(KafkaError, match=rf"{made_of.__name__}.__init__ was not called. Call super\(\)"):
        asyncio.run(run(made))
    del made
    gc.collect()


def test_init_a_second_time_is_refused_and_changes_nothing(client: Any, servers: str) -> None:
    class OfTeam(client):
        def __init__(self, team: str) -> None:
            super().__init__(bootstrap_servers=servers)

    made = OfTeam("billing")
    with pytest.raises(KafkaError, match=f"{client.__name__}.__init__ was called a second time"):
        made.__init__("shipping")
    assert usable(made)


def test_init_that_failed_may_be_tried_again(servers: str) -> None:
    class Persistent(Producer):
        def __init__(self) -> None:
            with pytest.raises(KafkaConnectionError):
                super().__init__("127.0.0.1:1", connect_timeout=1)
            super().__init__(servers)

    with Persistent() as made:
        assert made.send_and_wait("t", 1, timeout=10).topic == "t"


def test_peek_of_a_subclass_needs_none_of_its_arguments() -> None:
    class OfTeam(Consumer[Any]):
        def __init__(self, team: str) -> None:
            raise AssertionError

    with MockCluster(topics=["t"]) as cluster:
        with Producer(cluster.bootstrap_servers) as producer:
            producer.send("t", 1)
        assert [message.value for message in OfTeam.peek("t", bootstrap_servers=cluster.bootstrap_servers)] == [1]


@pytest.mark.parametrize("derived", [False, True], ids=["the class", "a subclass"])
def test_weak_references_and_attributes(client: Any, derived: bool, servers: str) -> None:
    made_of = type("Derived", (client,), {}) if derived else client
    made = made_of(bootstrap_servers=servers)
    made.note = "mine"
    with patch.object(made, "metrics", return_value="patched"):
        assert made.metrics() == "patched"
    assert usable(made)
    gone = []
    reference = weakref.ref(made, gone.append)
    weakref.finalize(made, gone.append, "finalized")
    assert reference() is made
    cache = weakref.WeakValueDictionary({"one": made})
    del made
    gc.collect()
    assert reference() is None
    assert len(gone) == 2
    assert not cache


def test_a_producer_that_its_deliveries_outlive_delivers(servers: str) -> None:
    producer = Producer(servers, linger_ms=100)
    reference = weakref.ref(producer)
    delivery = producer.send("t", 1)
    del producer
    assert reference() is None
    assert delivery.result(10).topic == "t"


def test_a_cycle_through_an_attribute_is_collected(client: Any, servers: str) -> None:
    made = client(bootstrap_servers=servers)
    made.itself = made
    reference = weakref.ref(made)
    del made
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("refused", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_and_pickles_are_refused(client: Any, refused: Any, servers: str) -> None:
    with pytest.raises(TypeError, match=f"cannot pickle '{client.__name__}' object"):
        refused(client(bootstrap_servers=servers))


def test_the_names_are_those_that_are_imported(client: Any) -> None:
    assert repr(client) == f"<class 'kjson.{client.__name__}'>"
    assert repr(MockCluster) == "<class 'kjson.testing.MockCluster'>"
    assert client.__doc__.startswith(("Sends Python objects", "Reads JSON"))


def test_a_cluster_has_subclasses_too() -> None:
    class Orders(MockCluster):
        def __init__(self) -> None:
            super().__init__(topics={"orders": 2})

    with Orders() as cluster, Producer(cluster.bootstrap_servers) as producer:
        assert producer.partitions_for("orders") == [0, 1]
        assert weakref.ref(cluster)() is cluster


@pytest.mark.parametrize("let_go", ["", "del made"], ids=["kept", "let go"])
def test_a_subclass_delivers_at_the_end_of_the_program(let_go: str) -> None:
    """And one whose __init__ raised, or was never called, does no harm there."""
    with MockCluster(topics=["t"]) as cluster:
        program = f"""
            import sys, kjson

            class OfTeam(kjson.Producer):
                def __init__(self, servers):
                    super().__init__(servers, linger_ms=300, connect_timeout=5)

            class Forgetful(kjson.Producer):
                def __init__(self): pass

            made = OfTeam(sys.argv[1])
            forgetful = Forgetful()
            try:
                failed = OfTeam.__new__(OfTeam)
                failed.__init__("127.0.0.1:1")
            except kjson.KafkaConnectionError:
                pass
            for n in range(20):
                made.send("t", n)
            {let_go}
        """
        ended = run_program(program, cluster.bootstrap_servers)
        assert (ended.status, ended.stderr) == (0, "")
        assert len(read_records(cluster.bootstrap_servers, "t", 20, partitions=1)) == 20
