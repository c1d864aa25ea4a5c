"""Programs that run the event loop themselves: notebooks, and the plugins for pytest."""

import sys
from pathlib import Path

import pytest

from .children import run_command

CELLS = [
    "producer = kjson.AsyncProducer(servers)",
    "await producer.start()",
    "first = await producer.send(topic, 1)",
    "place = await first",
    "places = await asyncio.gather(*[await producer.send(topic, n) for n in range(10)])",
    "await producer.close()",
]


def test_top_level_await_in_the_running_loop_of_a_notebook(servers: str, topic: str) -> None:
    """As IPython's kernel does: each cell is compiled with top-level await and run in the loop that runs already."""
    import ast
    import asyncio
    import inspect

    import kjson

    names = {"kjson": kjson, "asyncio": asyncio, "servers": servers, "topic": topic}

    async def kernel() -> None:
        for cell in CELLS:
            code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
            await asyncio.sleep(0.01)

    asyncio.run(kernel())
    assert [place.offset for place in names["places"]] == list(range(1, 11))  # type: ignore[union-attr]


PLUGGED = """
import pytest, kjson

{mark}
async def test_sends(producer):
    assert (await producer.send_and_wait("{topic}", 1)).topic == "{topic}"
    await (await producer.send_many("{topic}", range(10)))

{fixture}
async def producer():
    async with kjson.AsyncProducer("{servers}") as made:
        yield made
"""


PLUGINS = {
    "anyio": (
        "anyio",
        "@pytest.mark.anyio",
        "@pytest.fixture",
        "@pytest.fixture\ndef anyio_backend(): return 'asyncio'",
    ),
    "pytest-asyncio": ("pytest_asyncio", "@pytest.mark.asyncio", "import pytest_asyncio\n@pytest_asyncio.fixture", ""),
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_it_works_under_the_plugins_for_pytest(plugin: str, servers: str, topic: str, tmp_path: Path) -> None:
    module, mark, fixture, more = PLUGINS[plugin]
    pytest.importorskip(module)
    source = PLUGGED.format(mark=mark, fixture=fixture, servers=servers, topic=topic) + "\n" + more
    (tmp_path / "test_it.py").write_text(source, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n    ignore:The configuration option\n")
    command = [sys.executable, "-m", "pytest", "-q", str(tmp_path), "-c", str(tmp_path / "pytest.ini")]
    done = run_command(command, 60, cwd=str(tmp_path))
    assert done.status == 0, done.stdout
    assert "1 passed" in done.stdout
