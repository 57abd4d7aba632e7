"""Kills workers while they send, and compares what arrived with what the outbox says.

    python -m benchmarks.faults                      SQLite, then PostgreSQL
    python -m benchmarks.faults --database sqlite    one of them
    python -m benchmarks.faults --quick              500 mails and 10 kills for each policy, with
                                                     sweeps and retries that come sooner
    python -m benchmarks.faults --in-flight 10       that many mails in flight on a connection
    python -m benchmarks.faults --urgent             one password reset behind 100,000 mails

Everything runs on this computer, in folders of its own; nothing leaves it. The exit status is 0
where nothing was lost, nothing went twice unmarked and every state is explained.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

from benchmarks.postgres import Postgres

from . import killing, oracle, urgent
from .report import kill_table
from .site import POLICIES, lab

SEED = 20_261_126
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def main() -> int:
    """Run one database here, or each of them in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=[*NAMES])
    parser.add_argument("--mails", type=int, default=10_000, help="for each policy")
    parser.add_argument("--kills", type=int, default=100, help="for each policy")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--in-flight", type=int, default=1, help="on each connection")
    parser.add_argument("--quick", action="store_true", help="500 mails, 10 kills")
    parser.add_argument("--urgent", action="store_true", help="a password reset behind many mails")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    # So that everything is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.database is None:
        # Django's settings are read once in a process.
        again = [sys.executable, "-m", __package__, *sys.argv[1:]]
        ends = [subprocess.call([*again, "--database", name]) for name in NAMES]
        return max(ends)
    if options.quick:
        options.mails, options.kills = 500, 10
        os.environ["FAULTS_QUICK"] = "1"
    with ExitStack() as stack:
        settings = None
        if options.database == "postgresql":
            server = stack.enter_context(Postgres())
            settings = json.dumps(server.database("faults"))
        site = stack.enter_context(lab(settings, options.seed, options.in_flight))
        if options.urgent:
            return urgent.run(site, options.database, 2_000 if options.quick else 100_000)
        killed = killing.run(site, mails=options.mails, kills=options.kills, seed=options.seed)
        findings = {policy: oracle.compare(site, policy) for policy in POLICIES}
        if options.json:
            print(json.dumps({name: vars(one) for name, one in findings.items()}, indent=2))
        else:
            title = f"{NAMES[options.database]}, seed {options.seed}"
            if options.in_flight > 1:
                title += f", {options.in_flight} in flight"
            print(kill_table(title, killed, findings, oracle.orphans(site)))
        wrong = oracle.tell(findings.items())
        if wrong:
            # What is wrong comes last: the end of a long output is what is seen of it.
            print(site.log.read_text()[-5000:], *wrong[:50], sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
