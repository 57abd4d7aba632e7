"""What the commands that compare have in common: options, printing, the documentation's page."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from .chart import chart
from .report import Run, markdown, text
from .service import ROOT

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass(frozen=True)
class Command:
    """One comparison.

    Args:
        measure: runs it, with the rounds of each case, how many times fewer mails are sent, and a
            part of the title of what runs ("" for all).
        rounds: of each case.
        quick: the same for a quick run.
        shrink: how many times fewer mails are sent in a quick run.
        page: of the documentation, without its suffix; its chart has the same name.
        first: the label of the side that the chart compares with.
        chart_title: what the chart shows.
    """

    measure: Callable[[int, int, str], Run]
    rounds: int
    quick: int
    shrink: int
    page: str
    first: str
    chart_title: str

    def main(self, doc: str | None) -> int:
        """Measure, print, and return the exit status: 0 where it ran to its end."""
        options = self._parser(doc).parse_args()
        # So that the servers are stopped then, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        rounds = options.rounds or (self.quick if options.quick else self.rounds)
        run = self.measure(rounds, self.shrink if options.quick else 1, options.only)
        if options.json:
            print(json.dumps(run.as_dict(), indent=2, ensure_ascii=False))
        else:
            show(run)
        if options.docs:
            self.write_docs(run)
        return 0

    def _parser(self, doc: str | None) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        rounds = f"rounds of each case (default {self.rounds}; quick: {self.quick})"
        parser.add_argument("--quick", action="store_true", help="fewer mails and rounds")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--docs", action="store_true", help="write into docs/")
        parser.add_argument("--rounds", type=int, help=rounds)
        parser.add_argument("--only", default="", help="only what has this text in its title")
        return parser

    def write_docs(self, run: Run) -> None:
        """Put the tables and the chart into the page of the documentation."""
        page = ROOT / "docs" / f"{self.page}.md"
        image = ROOT / "docs" / "images" / f"{self.page}.svg"
        parts = [BEGIN, f"Measured with {run.circumstances()}."]
        for number, (heading, rows) in enumerate(run.tables()):
            parts += [f"**{heading}**", markdown(rows)]
            if number == 0:
                parts.append(f"![{self.chart_title}](images/{image.name})")
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        page.write_text(before + "\n\n".join(parts) + "\n\n" + END + after, encoding="utf-8")
        image.parent.mkdir(exist_ok=True)
        image.write_text(chart(run.results, self.first, self.chart_title), encoding="utf-8")


def tell(words: str) -> None:
    """Say what is going on, beside the results."""
    print(words, file=sys.stderr, flush=True)


def show(run: Run) -> None:
    """Print the tables."""
    print(f"\n{run.circumstances()}")
    for title, rows in run.tables():
        print(f"\n{title}\n")
        print(text(rows))
