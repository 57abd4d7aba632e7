"""Finds one-time codes and passwords, in English and Vietnamese, by the words around them.

A *keyword* ("code", "mã xác nhận", "password") makes what stands near it suspect: right behind a
colon anything, within a sentence what looks like a code, and what comes in a list after one that
was hidden. Numbers that tell what they are (an order, a price, a date, a telephone) stay.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from mailsetup.redaction.plain import Span, letters_and_digits

__all__ = ["code_spans"]

# How far from a keyword a code is looked for, in characters; behind a hidden one, how far the next
# may be.
_AHEAD: Final = 90
_BEHIND: Final = 50
_NEXT: Final = 12

_PERSONAL: Final = (
    r"pass[ -]?(?:word|phrase|code)s?|passwd|pwd|secret|credentials?|mật\ khẩu|mat\ khau"
    r"|(?:recovery|seed|secret)\ (?:phrase|words?)"
)
_KEYWORD: Final = re.compile(
    rf"""(?<!\w)(?:
      (?P<password>{_PERSONAL})
    | (?<!order\ )(?<!postal\ )(?<!post\ )(?<!zip\ )(?<!area\ )(?<!country\ )(?<!error\ )
      (?<!status\ )(?<!exit\ )(?<!source\ )(?<!dress\ )(?<!product\ )(?<!tax\ )(?<!reply\ )
      (?<!item\ )(?<!tracking\ )(?<!swift\ )(?<!sort\ )(?<!qr\ )(?<!model\ )
      (?:pin-?)?codes?(?!\ (?:of|review|base|block|example))
    | otps? | totp | m?tan | pins? | tokens? | [2t]fa | jwt | sig(?:nature)?
    | verification | (?:api|access|licen[cs]e|activation|recovery|security)[ _-]?keys?
    | one[ -]time
    | (?:mã|mã\ số|khóa|khoá)(?!\ (?:đơn|vận|khách|hàng|sản|số\ thuế|bưu|vùng|lỗi|nguồn|qr|vạch
        |hóa|hoá|giao\ dịch|học))
    | ma\ (?:xac|otp|pin|bao|dang|kich)\w*
    | (?P<weak>sign[ -]?in | log[ -]?in | đăng\ nhập)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
# Behind a keyword: what ties a value to it.
_TIE: Final = re.compile(
    r"(?:[ \t]+[^\W\d_]{1,12}){0,4}?[ \t]*(?P<tie>[:=\uff1a\u2192]|[ \t](?:is|are|was|là|la)\b)"
    r"[:\s]{0,8}",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"""[^\s<>"]+""")
_LINE: Final = re.compile(r"[^\r\n]{1,200}")
_UNTIED: Final = re.compile(
    r"about|again|also|always|below|case|changed|correct|disabled|enabled|enclosed|expired"
    r"|expiring|given|here|incorrect|invalid|left|limited|made|missing|needed|never|null|only"
    r"|optional|personal|private|provided|public|ready|required|reset|safe|secret|secure|sent"
    r"|shown|still|strong|there|unique|unknown|updated|used|valid|very|weak|what|wrong|yours"
    r"|bạn|không|được",
    re.IGNORECASE,
)

_CANDIDATE: Final = re.compile(
    r"(?<![\w.,/+@#])\#?(?P<core>\d+(?:[ \u00a0]{1,3}\d+)+(?![\w-])|[^\W_]+(?:-[^\W_]+)*)"
    r"(?![\w@]|[.,:/]\d)"
)
_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}-\d{1,2}-(?:\d{2}|\d{4})")
_UNIT: Final = re.compile(
    r"\s?(?:[%€£$₫¥°]|(?:đ|vnd|vnđ|usd|eur|minutes?|mins?|hours?|days?|seconds?|secs?|years?|phút"
    r"|giờ|ngày|giây|năm|đồng|kg|g|km|mb|kb|px|pt|items?|people|người)\b)",
    re.IGNORECASE,
)
# In front of a number that is no code. Searched in the few characters before it.
_TOLD: Final = re.compile(
    r"(?:order|invoice|receipt|article|item|ticket|tracking|parcel|account|customer|reference|ref"
    r"|đơn|đơn hàng|hóa đơn|hoá đơn|vận đơn|giao dịch|khách hàng"
    r"|call|phone|tel|telephone|hotline|fax|gọi|điện thoại|đt|sđt|zalo|whatsapp"
    r"|jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*|tháng|năm"
    r"|[€£$₫¥©])"
    r"(?:\s?(?:number|no|nr|id|số|mã|code|us|at|\d{1,2}))?[\s.:,#(№]{0,3}\Z",
    re.IGNORECASE,
)
# In front of a port: "Password reset on 127.0.0.1:18052" is Django's own subject while developing.
_ADDRESS: Final = re.compile(
    r"(?:(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}|\blocalhost|\[(?=[0-9a-f]*:)[0-9a-f:]{2,39}\]):\Z",
    re.IGNORECASE,
)
_PORT: Final = re.compile(r"\d{1,5}(?!\w)")


def code_spans(text: str) -> Iterator[Span]:
    """Yield where codes and passwords stand in *text*."""
    keywords = list(_KEYWORD.finditer(text))
    if not keywords:
        return
    tied: Span = (0, 0)
    for keyword in keywords:
        if keyword.lastgroup != "weak" and keyword.start() >= tied[1]:
            found = _tied(text, keyword)
            if found is not None:
                tied = found
                yield found
    yield from _near(text, keywords)


def _tied(text: str, keyword: re.Match[str]) -> Span | None:
    """Return what the keyword is said to be: all behind a colon, a code-like word behind "is"."""
    tie = _TIE.match(text, keyword.end())
    while tie is not None and (port := _port(text, tie.end())) is not None:
        # That colon was the address's; what the keyword is said to be may stand behind it.
        tie = _TIE.match(text, port.end())
    if tie is None:
        return None
    value = _WORD.match(text, tie.end())
    if value is None or "://" in value.group():
        return None
    word = value.group()
    short = value.start(), value.start() + len(word.rstrip(".,;:!?)]"))
    if tie["tie"].strip().isalpha():
        return short if _is_value(word, text[value.end() : value.end() + 1]) else None
    line = _LINE.match(text, tie.end())
    if line is None:
        return None
    if "\n" in tie.group() or "\r" in tie.group():
        return value.span() if word == line.group().strip() else None
    # A password may be of several words, and may end in a full stop.
    is_whole = keyword["password"] and "://" not in line.group()
    return line.span() if is_whole else short


def _is_value(word: str, behind: str) -> bool:
    """Tell a code behind "is" from a word of the sentence."""
    core = word.strip(".,;:!?()[]'*_\u201c\u201d\u2019")
    if not 4 <= len(core) <= 64 or _UNTIED.fullmatch(core):
        return False
    if not core.isalpha():
        return any(character.isdigit() for character in core) or "-" not in core
    ends = word[-1] in ".!" or behind in {"", "\n", "\r"}
    return core.isascii() and (core[1:] != core[1:].lower() or (ends and len(core) <= 10))


def _near(text: str, keywords: list[re.Match[str]]) -> Iterator[Span]:
    """Yield what looks like a code within reach of a keyword, and what follows it in a list."""
    strong = [keyword.span() for keyword in keywords if keyword.lastgroup != "weak"]
    weak = [keyword.span() for keyword in keywords if keyword.lastgroup == "weak"]
    # Up to where the next line of a list may begin.
    listed = -1
    for match in _CANDIDATE.finditer(text):
        start, end = match.span("core")
        word = match["core"]
        is_number = len(word) == 6 and word.isdigit()
        if start <= listed or _reaches(strong, start, end):
            if _is_code(word) and not _says_what(text, start, end):
                listed = end + _NEXT
                yield start, end
            elif word.isupper() and _stands_alone(text, start, end):
                yield start, end
        elif is_number and _reaches(weak, start, end) and not _says_what(text, start, end):
            yield start, end


def _reaches(keywords: list[Span], start: int, end: int) -> bool:
    """Tell whether one of the keywords, which are in order, is near enough to a place."""
    index = bisect_left(keywords, (start, start))
    if index and start - keywords[index - 1][1] <= _AHEAD:
        return True
    return index < len(keywords) and keywords[index][0] - end <= _BEHIND


def _is_code(word: str) -> bool:
    core = letters_and_digits(word)
    if not any(character.isdigit() for character in core) or _DATE.fullmatch(word):
        return False
    return 4 <= len(core) <= 12 or (len(core) <= 32 and "-" in word)


def _says_what(text: str, start: int, end: int) -> bool:
    """Tell whether the text around a number says that it is no code."""
    if _UNIT.match(text, end) or _TOLD.search(text[max(0, start - 24) : start]):
        return True
    return _port(text, start) is not None


def _port(text: str, start: int) -> re.Match[str] | None:
    """Return the port that begins here: an address of a computer and a colon stand before it."""
    port = _PORT.match(text, start)
    before = text[max(0, start - 44) : start]
    return port if port is not None and _ADDRESS.search(before) else None


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Tell whether a word of 4 to 12 characters has a line for itself."""
    if not 4 <= end - start <= 12:
        return False
    before, behind = text[max(0, start - 20) : start], text[end : end + 20]
    return not before.rpartition("\n")[2].strip() and not behind.partition("\n")[0].strip()
