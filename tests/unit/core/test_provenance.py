import io
from pathlib import Path

from fracturax.core.provenance import sha256_of_document, sha256_of_file, sha256_of_stream

# FIPS 180-2, appendix B.1.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hashes_are_those_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc") == ABC


def test_only_what_is_left_of_a_stream_is_hashed() -> None:
    stream = io.BytesIO(b"...abc")
    stream.seek(3)
    assert sha256_of_stream(stream) == ABC


def test_a_document_has_one_hash_in_any_order_and_another_with_any_change() -> None:
    one = {"b": [1, 2.5], "a": "ä"}
    assert sha256_of_document(one) == sha256_of_document({"a": "ä", "b": [1, 2.5]})
    changed = [{"b": [2.5, 1], "a": "ä"}, {"b": [1, 2.5], "a": "a"}, {"b": [1, 2.5]}]
    assert len({sha256_of_document(document) for document in [one, *changed]}) == 4
