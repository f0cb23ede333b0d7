import warnings

import numpy as np
import pytest

from preprocess.photographs.tokenizer import CONTEXT_LENGTH, END, START, VOCABULARY, tokenize
from tests.helpers import command


def test_a_text_stands_between_a_start_and_an_end():
    [tokens] = tokenize(["White sheep on a mountain under blue sky"])
    assert tokens.shape == (CONTEXT_LENGTH,) and tokens.dtype == np.int32
    # All of them common words: one token each.
    assert tokens[0] == START and tokens[9] == END and (tokens[1:9] < START).all() and not tokens[10:].any()


def test_case_and_spaces_do_not_count_and_rare_words_are_cut_up():
    one, other, rare = tokenize(["a brown COW", "  a   brown cow ", "a brown hippogriff"])
    np.testing.assert_array_equal(one, other)
    assert list(one).index(END) < list(rare).index(END) and rare.max() < VOCABULARY


def test_long_texts_are_cut_and_keep_their_end():
    [tokens] = tokenize(["sheep " * 100])
    assert tokens[0] == START and tokens[-1] == END and len(set(tokens[1:-1])) == 1


def test_what_is_not_read_is_told():
    with pytest.warns(UserWarning, match="reads the beginning"):
        tokenize(["cow " * 30])
    for text in ("\u4e00\u5934\u725b", "!!!"):
        with pytest.warns(UserWarning, match="learned English"):
            tokenize([text])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenize(["a cow on a hill"])


def test_no_texts_and_empty_ones():
    assert tokenize([]).shape == (0, CONTEXT_LENGTH)
    assert list(tokenize([""])[0][:3]) == [START, END, 0]


def test_it_needs_no_pytorch():
    code = "import sys; from preprocess.photographs.tokenizer import tokenize; tokenize(['a']); assert 'torch' not in "
    process = command("-c", code + "sys.modules")
    assert process.returncode == 0, process.stderr
