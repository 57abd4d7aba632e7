"""Diagnosis: what a failure was about, and so what becomes of the message.

The transport judges by stage and reply code. Servers tell more in their words: a quota as 550, a
refused login at MAIL, a "come back in five minutes". This room reads the words, by the rules of
``data/errors.json``, and nobody else does.

It refuses to know Django, to open a connection and to raise for anything a server can say.
"""

from .judging import Judgement, judge
from .rules import all_rules, find, title

__all__ = ["Judgement", "all_rules", "find", "judge", "title"]
