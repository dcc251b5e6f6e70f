from __future__ import annotations

import gzip
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from otel_agentperf.replay import documents
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.replay.places import LineNumbers
from otel_agentperf.replay.troubles import MAX_KEPT, MAX_TOLD, Trouble, Troubles, TroubleTeller
from tests.replay.forms import as_document, as_framed, as_lines, as_message
from tests.replay.replaying import made_up, put, replayed, told

LINES = as_lines(made_up()).splitlines(keepends=True)


def replayed_with_words(path: Path) -> tuple[Outcome, list[str]]:
    """A replay, and what was told on the way, without the folder."""
    words: list[str] = []
    teller = TroubleTeller(words.append, LineNumbers())
    outcome = replayed(path, on_troubles=teller.take)
    teller.finish()
    return outcome, [word.replace(f"{path.parent}/", "") for word in words]


BAD_LINES = {
    "no JSON at all": (b"Traceback (most recent call last):\n", "left out: it looks like text that is no JSON"),
    "JSON that is cut off": (LINES[1][:-30] + b"\n", "Input data was truncated"),
    "JSON of something else": (b'{"level":"info"}\n', "left out: it looks like JSON without spans"),
    "a wrong type": (b'{"resourceSpans":"all of them"}\n', "Expected `array | null`, got `str` - at `$.resourceSpans`"),
    "bytes that are no text": (b'{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"\xff"}}]}]}\n', "'utf-8' codec"),
    "a span without ids": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}\n',
        "1 span without a valid trace id",
    ),
    "a trace id of zeros": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"' + b"0" * 32 + b'"}]}]}]}\n',
        "1 span without a valid trace id",
    ),
    "a span without its own id": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"' + b"1" * 32 + b'"}]}]}]}\n',
        "a span without a valid id",
    ),
    "JSON that nests too deeply": (
        b'{"resourceSpans":[],"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        "nests too deeply",
    ),
    "attributes that nest too deeply": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"'
        + b"1" * 32
        + b'","spanId":"'
        + b"1" * 16
        + b'","attributes":[{"key":"a","value":'
        + b'{"arrayValue":{"values":[' * 20_000
        + b"]}}" * 20_000
        + b"}]}]}]}]}\n",
        "nests too deeply",
    ),
}


@pytest.mark.parametrize(
    "packed", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["plain", "gzip", "zstd"]
)
@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(bad: str, packed: type, tmp_path: Path) -> None:
    line, why = BAD_LINES[bad]
    path = put(tmp_path / "a.jsonl", packed(b"".join([*LINES[:2], line, *LINES[2:]])))
    outcome, words = replayed_with_words(path)
    assert outcome.sums.runs == 12
    (word,) = words
    assert word.startswith("a.jsonl:3: ")
    assert why in word
    assert outcome.notes() == ("1 part of the input could not be read and is not in here.",)


@pytest.mark.parametrize("first", [LINES[0][:-40] + b"\n", b"started\n", b'{"half":\n'])
def test_a_bad_first_line_does_not_make_long_lines_after_it_something_else(first: bytes, tmp_path: Path) -> None:
    long = as_lines([{"resourceSpans": [batch for one in made_up(200) for batch in one["resourceSpans"]]}])
    assert len(long) > 1 << 17
    outcome, words = replayed_with_words(put(tmp_path / "a.jsonl", first + long))
    assert outcome.sums.runs == 200
    assert [word.split(": ")[0] for word in words] == ["a.jsonl:1"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_lines_of_utf_16_are_counted_in_its_own_text(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = "\n".join([*as_lines(made_up(2)).decode().splitlines(), '{"resourceSpans": "größer"}', "", "{]", "{]"])
    _, words = replayed_with_words(put(tmp_path / "a.json", pack(text.encode("utf-16"))))
    count = text.count("\n")
    assert [word.split(": ")[0] for word in words] == [f"a.json:{line}" for line in (count - 2, count, count + 1)]


@pytest.mark.parametrize("piece_bytes", [1_000, 50_000])
def test_line_numbers_are_right_wherever_a_piece_begins(
    piece_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalEngine, "piece_bytes", piece_bytes)
    path = put(tmp_path / "a.jsonl", b"".join(line + b"{]\n" for line in LINES))
    _, words = replayed_with_words(path)
    assert [word.split(":")[1] for word in words] == [str(2 * (place + 1)) for place in range(len(LINES))]


def test_only_the_first_troubles_are_told_one_by_one(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", b"".join([*LINES, *([b"{]\n"] * 500)]))
    outcome, words = replayed_with_words(path)
    assert outcome.sums.runs == 12
    assert len(words) == MAX_TOLD + 1
    assert words[-1] == f"and {500 - MAX_TOLD} more that could not be read"


def test_troubles_say_nothing_of_what_a_trace_holds(tmp_path: Path) -> None:
    secret = b'{"resourceSpans":[{"scopeSpans":[{"scope":{"name":["the secret"]},"spans":["the secret"]}]}]}\n'
    _, words = replayed_with_words(put(tmp_path / "a.jsonl", b"".join([*LINES, secret, b"the secret\n"])))
    assert len(words) == 2
    assert "secret" not in "".join(words)


def cut_off(data: bytes) -> bytes:
    return data[: len(data) * 3 // 4]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        (
            "a.jsonl.gz",
            cut_off(gzip.compress(b"".join(LINES))),
            "Compressed file ended before the end-of-stream marker",
        ),
        ("a.jsonl.gz", gzip.compress(b"".join(LINES))[:-5] + b"\0\0\0\0\0", "CRC check failed"),
        ("a.pb", cut_off(as_framed(made_up())), "is cut off"),
        ("a.pb", as_framed(made_up()) + b"\xff" * 100, "no message at byte"),
        ("a.parquet", b"PAR1" + bytes(range(256)) * 40, "not read: it looks like a Parquet or Arrow table"),
        ("a.pb", b"\x0a" + as_message(made_up())[3:], "no OTLP protobuf message"),
        ("a.json", b'{\n "resourceSpans": [\n  {\n', "Input data was truncated"),
    ],
)
def test_a_damaged_file_is_told_and_what_came_before_the_damage_is_read(
    name: str, data: bytes, why: str, tmp_path: Path
) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    put(folder / name, data)
    put(folder / "z.jsonl", b"".join(LINES))
    outcome, words = replayed_with_words(folder)
    assert outcome.sums.runs == 12
    assert outcome.sums.troubles.count == 1
    (word,) = words
    assert name in word
    assert why in word


def test_a_cut_zstandard_file_gives_what_it_has(tmp_path: Path) -> None:
    data = as_lines(made_up(800))
    path = put(tmp_path / "a.jsonl.zst", cut_off(zstandard.ZstdCompressor(write_content_size=False).compress(data)))
    outcome, words = replayed_with_words(path)
    assert outcome.sums.spans
    assert words == ["a.jsonl.zst: damaged: it is cut off"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_of_a_small_file_that_is_cut_off_every_whole_line_is_read(name: str, tmp_path: Path) -> None:
    pack = gzip.compress if name.endswith(".gz") else zstandard.ZstdCompressor().compress
    data = pack(b"".join(LINES) * 40)
    outcome, words = replayed_with_words(put(tmp_path / name, data[: len(data) - 20]))
    assert outcome.sums.runs == 12
    assert len(words) == 1


def test_what_stands_before_a_scrambled_part_is_read(tmp_path: Path) -> None:
    whole = b"".join(LINES) * 40
    data = bytearray(gzip.compress(whole))
    middle = len(data) * 3 // 4
    data[middle : middle + 64] = b"\xff" * 64
    outcome, words = replayed_with_words(put(tmp_path / "a.jsonl.gz", bytes(data)))
    assert outcome.sums.runs == 12
    assert len(words) >= 1


@pytest.mark.parametrize(
    "data",
    [b"", b" \n", b"\xef\xbb\xbf\r\n", gzip.compress(b"\n", mtime=0)],
    ids=["nothing", "white space", "a byte-order mark", "gzip of a line end"],
)
def test_an_empty_file_is_named_and_is_no_input_that_is_missing(data: bytes, tmp_path: Path) -> None:
    outcome, words = replayed_with_words(put(tmp_path / "a.jsonl", data))
    assert (outcome.sums.spans, words) == (0, ["a.jsonl: it is empty"])
    assert outcome.notes() == ()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "memory://too_long/a.jsonl"])
def test_a_document_too_long_to_hold_is_told_and_what_came_before_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 100_000)
    monkeypatch.setattr(documents, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(LocalEngine, "piece_bytes", 1_000)
    data = LINES[0] + b'{"resourceSpans":[' + b" " * 300_000 + b"]}\n"
    words: list[str] = []
    teller = TroubleTeller(words.append, LineNumbers())
    if "://" in name:
        importlib.import_module("fsspec").open(name, "wb").open().write(data)
    else:
        name = str(put(tmp_path / name, gzip.compress(data)))
    assert replayed(name, on_troubles=teller.take).sums.spans
    assert len(words) == 1
    assert "a document of more than 0 MB before byte" in words[0]


def test_a_long_document_of_a_local_file_is_read_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = made_up()
    whole = told(replayed(put(tmp_path / "a.jsonl", as_lines(requests))))
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 10_000)
    monkeypatch.setattr(documents, "_COPIED_BYTES", 1_000)
    monkeypatch.setattr(LocalEngine, "piece_bytes", 5_000)
    assert told(replayed(put(tmp_path / "a.json", as_document(requests)))) == whole


def test_troubles_add_up_and_keep_the_first_ones() -> None:
    whole = Troubles()
    for part in range(3):
        own = Troubles()
        for place in range(MAX_KEPT):
            own.add(Trouble(f"{part}", f"{place}"))
        whole.merge(own)
    assert whole.count == 3 * MAX_KEPT
    assert [trouble.source for trouble in whole.kept] == ["0"] * MAX_KEPT
