"""The jars of Apache Kafka and the Java that runs them: what is missing here, and where they are."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional
from xml.etree import ElementTree

__all__ = ["CACHE", "VERSION", "jars", "java", "missing_prerequisites"]

POM = Path(__file__).with_name("pom.xml")
VERSION = ElementTree.parse(str(POM)).findtext(".//{*}kafka.version")
CACHE = Path(__file__).parents[2] / "build" / "kafka"
OLDEST_JAVA = 17
DOWNLOAD_TIMEOUT = 600.0


def missing_prerequisites() -> List[str]:
    """One line for each program that a real Kafka needs and this machine has not got."""
    missing = []
    found = _java_version()
    if found is None:
        missing.append(f"Java {OLDEST_JAVA} or newer (no `java` on the PATH or in JAVA_HOME)")
    elif found < OLDEST_JAVA:
        missing.append(f"Java {OLDEST_JAVA} or newer (`java` is version {found})")
    if not _folder().is_dir() and shutil.which("mvn") is None:
        missing.append("Maven (no `mvn` on the PATH), which downloads Apache Kafka's jars")
    return missing


def java() -> str:
    """The `java` program: JAVA_HOME's, else the PATH's."""
    home = os.environ.get("JAVA_HOME")
    if home and os.access(os.path.join(home, "bin", "java"), os.X_OK):
        return os.path.join(home, "bin", "java")
    return shutil.which("java") or "java"


def jars() -> Path:
    """The folder with the jars, downloaded on the first call."""
    folder = _folder()
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Into another folder first: an interrupted download must not look like a finished one.
        unfinished = Path(tempfile.mkdtemp(prefix="download-", dir=str(CACHE)))
        try:
            _download(unfinished)
            try:
                unfinished.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another run was faster
                    raise
        finally:
            shutil.rmtree(str(unfinished), ignore_errors=True)
    return folder


def _folder() -> Path:
    return CACHE / f"jars-{VERSION}"


def _download(target: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DOWNLOAD_TIMEOUT,
    )
    if done.returncode != 0:
        raise RuntimeError(f"Maven could not download Apache Kafka {VERSION}:\n{done.stdout[-4000:]}")


def _java_version() -> Optional[int]:
    try:
        done = subprocess.run(
            [java(), "-version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
    except OSError:
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', done.stdout)
    return int(version.group(1)) if version else None


if __name__ == "__main__":
    # `make test` asks before anything is installed, so this module needs nothing but Python.
    absent = missing_prerequisites()
    for line in absent:
        print(f"missing, for the tests on a real Kafka: {line}", file=sys.stderr)
    sys.exit(1 if absent else 0)
