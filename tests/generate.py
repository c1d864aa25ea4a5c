"""What is generated from the table of options (`src/python/options/table.rs`): `make stub` runs this file.

The constructors of the stub, with their `Args:`, and docs/options.md. `tests/test_options_table.py` compares both.
"""

import re
import textwrap
from pathlib import Path
from typing import Dict, List, NamedTuple

from kjson import _kjson

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "python" / "kjson" / "_kjson.pyi"
PAGE = ROOT / "docs" / "options.md"
CLIENTS = ("Producer", "AsyncProducer", "Consumer", "AsyncConsumer")
UNITS = {"s": "seconds", "ms": "milliseconds", "bytes": "bytes", "": ""}
OTHERS = (
    "Any other option of librdkafka, with underscores for its dots. All names are in librdkafka's CONFIGURATION.md."
)


class Option(NamedTuple):
    """One option, as the table declares it."""

    name: str
    annotation: str
    default: str
    unit: str
    librdkafka: str
    secret: bool
    text: str


def options(client: str) -> List[Option]:
    return [Option(*row) for row in _kjson._options_table(client)]


def parameters(client: str) -> str:
    lines = ["self,"]
    lines += ["*topics: str,"] if "Consumer" in client else []
    for option in options(client):
        annotation = option.annotation
        if client == "AsyncConsumer":
            annotation = annotation.replace("_OnPartitions", "_OnPartitionsAsync")
        lines.append(f"{option.name}: {annotation} = {option.default},")
        lines += ["*,"] if "Producer" in client and option.name == "bootstrap_servers" else []
    return textwrap.indent("\n".join([*lines, "**options: _Option,"]), " " * 8)


def arguments(client: str) -> str:
    texts: Dict[str, str] = {}
    if client == "Consumer":
        texts["topics"] = "What to subscribe to; may come later, by `subscribe`."
    for option in options(client):
        unit = f" In {UNITS[option.unit]}." if option.unit else ""
        native = f" `{option.librdkafka}`." if option.librdkafka else ""
        texts[option.name] = option.text + unit + native
    texts["options"] = OTHERS
    wrapped = [
        textwrap.fill(
            f"{name}: {text}",
            width=120,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in texts.items()
    ]
    return "\n".join(wrapped)


def stub(text: str) -> str:
    """The stub with the constructors and their arguments as the table has them."""
    for client in CLIENTS:
        start = re.search(rf"^class {client}\b", text, re.MULTILINE)
        assert start, client
        head, body = text[: start.start()], text[start.start() :]
        if not client.startswith("Async"):
            body = re.sub(
                r"(?<=^    Args:\n).*?(?=\n\n)", lambda _, c=client: arguments(c), body, count=1, flags=re.S | re.M
            )
        body = re.sub(
            r"(?<=^    def __init__\(\n).*?(?=\n    \) -> None: \.\.\.$)",
            lambda _, c=client: parameters(c),
            body,
            count=1,
            flags=re.S | re.M,
        )
        text = head + body
    return text


def page() -> str:
    """docs/options.md."""
    producer, consumer = options("Producer"), options("Consumer")
    both = [option for option in producer if option in consumer]
    parts = [
        "# Options",
        "",
        "Keyword arguments of `Producer` and `AsyncProducer`, and of `Consumer` and `AsyncConsumer`. A default is what",
        "a client uses where the option is left out; for an option with a name in librdkafka, None leaves it out. Any",
        "other option of librdkafka is a keyword, too, with underscores for its dots (`linger_ms`), or goes into",
        "`config` as `linger.ms`. A wrong name is a `ConfigError` with the nearest one, a wrong value one with",
        "what the option takes.",
        "",
        "A bool is True or False, or librdkafka's words for them in any case (`true`, `t`, `1`, `false`, `f`, `0`). A",
        "secret must be a str; no error, log record or repr shows it.",
    ]
    for title, listed in (
        ("Producer", [option for option in producer if option not in both]),
        ("Consumer", [option for option in consumer if option not in both]),
        ("Both", both),
    ):
        parts += [
            "",
            f"## {title}",
            "",
            "| option | type | default | unit | librdkafka | meaning |",
            "|---|---|---|---|---|---|",
        ]
        parts += [row(option) for option in listed]
    return "\n".join(parts) + "\n"


def row(option: Option) -> str:
    text = option.text + (" A secret." if option.secret else "")
    native = f"`{option.librdkafka}`" if option.librdkafka else ""
    annotation = re.sub(r"\b_(?=[A-Z])", "", option.annotation)
    cells = [f"`{option.name}`", f"`{annotation}`", f"`{option.default}`", option.unit, native, text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    STUB.write_text(stub(STUB.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
