"""Pages are kept without the indents of their templates, and show the same."""

from config.tidying import tidied

LETTER = "<textarea>\n\n  Dear Ambassador,\n\n    free her.\n</textarea>"
CODE = "<pre><code>one\n\n  two\n</code></pre>"


def test_indents_and_empty_lines_go_and_words_stay_apart():
    assert tidied("<p>\n    A\n\n    <b>strike</b>\n  goes  on\n</p>\n\n") == "<p>\nA\n<b>strike</b>\ngoes  on\n</p>\n"


def test_a_letter_to_copy_and_code_stay_as_they_are():
    assert tidied(f"<div>\n  {LETTER}\n  {CODE}\n</div>") == f"<div>\n{LETTER}\n{CODE}\n</div>"


def test_an_element_that_never_ends_loses_nothing():
    assert tidied("<p>\n  <textarea>\n  a\n") == "<p>\n<textarea>\na\n"


def test_two_lists_of_options_are_written_alike():
    ours = '<select>\n  <option value="XX">A  b</option>\n  <option>B</option>\n</select>'
    crispys = '<select> <option value="XX">A  b</option> <option>B</option> </select>'
    for written in (ours, crispys):
        assert tidied(written).endswith('<option value="XX">A  b<option>B</select>')
    assert tidied("<option>A</option> and on") == "<option>A</option> and on"
