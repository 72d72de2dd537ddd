import pytest

from fracturax.core import errors
from fracturax.core.errors import FracturaXError, MissingExtraError, UnknownNameError, edge_code

EVERY = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FracturaXError)
]


def test_a_sentence_is_what_got_cure() -> None:
    error = FracturaXError("the film has no pixels", got="0 x 0", cure="export it again")
    assert str(error) == "the film has no pixels; got 0 x 0; export it again"


def test_parts_that_are_not_known_leave_no_trace() -> None:
    assert str(FracturaXError("the film has no pixels")) == "the film has no pixels"
    assert str(FracturaXError("it is cut", cure="copy it again")) == "it is cut; copy it again"


def test_an_unknown_name_offers_its_neighbour_and_reads_without_quotes() -> None:
    error = UnknownNameError("model", "xrai", ["volume", "xray"])
    assert (
        str(error) == "no model of this name; got 'xrai'; did you mean 'xray'? known: volume, xray"
    )


def test_an_unknown_name_far_from_all_lists_them_only() -> None:
    assert "did you mean" not in str(UnknownNameError("model", "qqq", ["xray"]))
    assert str(UnknownNameError("model", "x", [])).endswith("known: none")


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert 'pip install "fracturax[train]"' in str(MissingExtraError("train", verb="train"))


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ImageError, ValueError),
        (errors.DataError, ValueError),
        (errors.ModelError, ValueError),
        (errors.ConfigError, ValueError),
        (errors.UnknownNameError, KeyError),
    ],
)
def test_python_code_can_catch_the_builtin(kind: type, builtin: type) -> None:
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("kind", "exit_code", "http_status"),
    [
        (errors.UnreadableImageError, 3, 422),
        (errors.GeometryError, 3, 422),
        (errors.ImageError, 3, 422),
        (errors.DataError, 4, 422),
        (errors.LeakageError, 5, 409),
        (errors.ModelError, 6, 500),
        (errors.UnsuitableStudyError, 7, 422),
        (errors.ConfigError, 8, 400),
        (errors.MissingExtraError, 8, 501),
        (errors.UnknownNameError, 9, 404),
        (ZeroDivisionError, 1, 500),
    ],
)
def test_edge_codes_are_a_promise_to_scripts(
    kind: type[Exception], exit_code: int, http_status: int
) -> None:
    code = edge_code(kind)
    assert (code.exit_code, code.http_status) == (exit_code, http_status)


@pytest.mark.parametrize("kind", EVERY)
def test_no_expected_error_looks_like_success_or_a_usage_error(kind: type[Exception]) -> None:
    # 2 is what Typer answers to wrong arguments.
    assert edge_code(kind).exit_code not in (0, 2)


def test_an_error_that_is_not_in_the_map_takes_its_nearest_ancestor() -> None:
    class TornSplit(errors.LeakageError):
        pass

    assert edge_code(TornSplit("torn")).exit_code == 5
