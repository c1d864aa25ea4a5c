"""`python -m tests.kafka [--port 9092]`: starts one broker by hand and ends it with Ctrl-C."""

import argparse
import signal
import sys

from . import Broker, BrokerError, missing_prerequisites


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kafka", description="Start an Apache Kafka on loopback.")
    parser.add_argument("--port", type=int, help="port of localhost (default: a free one)")
    arguments = parser.parse_args()
    missing = missing_prerequisites()
    if missing:
        print("\n".join(f"missing: {line}" for line in missing), file=sys.stderr)
        return 1
    try:
        with Broker(arguments.port) as broker:
            print(f"{broker.bootstrap_servers} answers (process {broker.pid}, {broker.directory}); Ctrl-C ends it")
            sys.stdout.flush()
            while True:
                signal.pause()
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
