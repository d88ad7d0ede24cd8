"""What is secret in a manifest, so that Airflow hides it where it shows the rendered fields.

No Airflow import. Airflow hides a text wherever it stands in another: so each way in which a value may
be written or shown is one of them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SHORTEST = 5
"""Airflow hides nothing shorter."""

MOST = 60
"""More texts than these take Airflow seconds: then the whole manifest is hidden as one."""

_SECRET = re.compile(r"\bSecret\b|[\"']?kind[\"']?\s*:\s*\"[^\"\n]*\\")
_BLOCK = re.compile(r"(?<![\w.-])[\"']?(?:data|stringData)[\"']?[ \t]*:(?=\s|[{&!]|$)", re.MULTILINE)
_KEY = re.compile(r"\s*(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s\"'{}\[\],#][^:]*?)\s*:(?:\s+|$)")
_MARK = re.compile(r"^(?:[&!]\S*\s+)+")
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[{}]|,|:(?=[\s\"'{,}])|[^\s{},\"':][^{},\n:]*")


def mentioned(text: str) -> bool:
    """Tell whether a text may hold a Secret: one is named, or a kind is written with escapes."""
    return _SECRET.search(text) is not None


def of_objects(value: Any, *, whole: bool = False) -> list[str]:
    """Return the values of the Secrets in plain data, wherever they are.

    :param whole: leave out their lines, and other ways to write them.
    """
    return list(dict.fromkeys(_of_objects(value, whole)))


def of_text(text: str) -> list[str]:
    """Return what stands under ``data`` and ``stringData`` of a YAML text's Secrets.

    Also where the text is no YAML, and as it is written: escaped, folded, indented.
    """
    parts = re.split(r"^---(?:\s|$)", text, flags=re.MULTILINE)
    found = (value for part in parts if mentioned(part) for value in _written(part))
    return list(dict.fromkeys(found))


def _of_objects(value: Any, whole: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("kind") == "Secret":
            for key in ("data", "stringData"):
                block = value.get(key)
                for item in block.values() if isinstance(block, Mapping) else ():
                    yield from _shown(item, encoded=key == "data", whole=whole)
            return
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        yield from _of_objects(item, whole)


def _shown(value: Any, *, encoded: bool, whole: bool) -> Iterator[str]:
    """Yield the ways in which a value may be shown."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield str(value)
    if not isinstance(value, str) or not value:
        return
    yield from _pieces(value, whole)
    if encoded:
        yield from _decoded(value, whole)


def _pieces(value: str, whole: bool) -> Iterator[str]:
    stripped = value.strip()
    if stripped:
        yield stripped
    if stripped and not whole:
        # As JSON and Python write it.
        yield json.dumps(stripped)[1:-1]
        yield json.dumps(stripped, ensure_ascii=False)[1:-1]
        yield repr(stripped)[1:-1]
    if "\n" in stripped and not whole:
        yield from (line.strip() for line in stripped.splitlines() if _tells(line))


def _decoded(value: str, whole: bool = False) -> Iterator[str]:
    joined = "".join(value.split())
    try:
        text = base64.b64decode(joined, validate=True).decode()
    except (binascii.Error, ValueError):
        # Binary, or not base64, which the API server will say.
        return
    yield joined
    yield from _pieces(text, whole)


def _tells(text: str) -> bool:
    return len(text.strip()) >= _SHORTEST and any(c.isalnum() for c in text)


def _written(part: str) -> Iterator[str]:
    for match in _BLOCK.finditer(part):
        rest = part[match.end() :]
        if rest.lstrip().startswith("{"):
            yield from _flow(rest.lstrip())
            continue
        begin = part.rfind("\n", 0, match.start()) + 1
        yield from _lines(rest, match.start() - begin)


def _lines(rest: str, column: int) -> Iterator[str]:
    """Yield what lines say that are deeper than a key in this column."""
    for line in rest.split("\n")[1:]:
        if line.strip() and len(line) - len(line.lstrip()) <= column:
            return
        key = _KEY.match(line)
        value = line[key.end() :] if key else line
        yield from _candidates(value)
        if key and _tells(line) and any(c.isalnum() for c in value):
            # A line of a text may look like a key and its value.
            yield line.strip()


def _flow(rest: str) -> Iterator[str]:
    """Yield the values of a mapping in braces."""
    depth, value_next = 0, False
    for match in _TOKEN.finditer(rest):
        word = match[0]
        depth += (word == "{") - (word == "}")
        if depth == 0:
            return
        if word in "{},":
            value_next = False
        elif word == ":":
            value_next = True
        elif value_next:
            yield from _candidates(word)


def _candidates(written: str) -> Iterator[str]:
    bare = _MARK.sub("", written.strip())
    if bare[:1] in ("|", ">") and len(bare) < _SHORTEST:
        return
    forms: Iterable[str] = (bare, re.sub(r"\s+#.*$", "", bare))
    for form in dict.fromkeys(forms):
        inner = form[1:-1] if form[:1] in ("'", '"') and form[-1:] == form[:1] else form.strip("'\"")
        if _tells(inner):
            yield inner
            yield from _decoded_if_long(inner)


def _decoded_if_long(inner: str) -> Iterator[str]:
    # What is under stringData may look like base64 by chance: then its decoding is no text, mostly.
    if len(inner) >= 2 * _SHORTEST - 2:
        yield from (text for text in _decoded(inner) if _tells(text))
