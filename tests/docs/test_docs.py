"""What the program that runs the pages must not let through."""

import pathlib
import tempfile
import unittest
from unittest import mock

import account
import checks
import follow
import markdown

PAGE = "docs/page.md"


class Pages(unittest.TestCase):
    def blocks(self, text):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(markdown, "ROOT", pathlib.Path(name)):
            file = pathlib.Path(name) / PAGE
            file.parent.mkdir()
            file.write_text(text)
            return markdown.blocks(PAGE)

    def test_a_block_has_its_language_code_and_line_also_in_a_list(self):
        one, two = self.blocks("x\n\n```sh\necho a\n```\n\n- y\n\n  ```js\n  a\n\n    b\n  ```\n")
        self.assertEqual((one.language, one.code, one.line), ("sh", "echo a\n", 3))
        self.assertEqual((two.language, two.code, two.line), ("js", "a\n\n  b\n", 9))

    def test_code_by_indentation_is_refused_and_a_list_is_not(self):
        self.blocks("1. a\n\n    b\n\n    c\n")
        for text in ("a\n\n    b\n", "- a\n\nb\n\n\tc\n"):
            with self.assertRaises(markdown.PageError):
                self.blocks(text)

    def test_a_block_without_an_end_is_refused(self):
        with self.assertRaises(markdown.PageError):
            self.blocks("```sh\na\n")

    def test_a_language_that_nothing_runs_is_a_failure(self):
        for language in ("", "cobol", "text"):
            with self.assertRaises(checks.Failure):
                checks.check(markdown.Block(PAGE, 1, language, "a\n"))

    def test_what_cannot_be_read_is_a_failure(self):
        for language, code in (("json", "{"), ("http", "GET\n"), ("yaml", "a: [\n"), ("toml", "no_such_setting = 1\n")):
            with self.assertRaises(checks.Failure):
                checks.check(markdown.Block(PAGE, 1, language, code))


class Outputs(unittest.TestCase):
    def compare(self, language, shown, printed):
        follow.compare(markdown.Block(PAGE, 1, language, shown), printed)

    def test_three_dots_stand_for_anything_within_a_line(self):
        for shown, printed in (("a b\n", "a b\n"), ("a ... c\nd\n", "a b b c\nd\n"), ("...\n", "\n")):
            self.compare("text", shown, printed)
        for shown, printed in (("a\n", "a\nb\n"), ("a ... c\n", "a\nc\n"), ("a\n", "b\n"), ("a...\n", "ba\n")):
            with self.assertRaises(follow.Failure):
                self.compare("text", shown, printed)

    def test_json_has_what_is_shown(self):
        for printed in ('{"a": 1, "b": {"c": 2, "d": 3}}', '{"data": {"a": 1, "b": {"c": 2}}}'):
            self.compare("json", '{"a": 1, "b": {"c": 2}}', printed)
        with self.assertRaises(follow.Failure):
            self.compare("json", '{"a": 1}', '{"data": {"a": 2}}')


class Lists(unittest.TestCase):
    def test_entries_without_a_block_or_a_test_are_faults(self):
        lists = account.Lists()
        lists.not_run, lists.elsewhere = {(PAGE, "a"): "", (PAGE, "b"): ""}, [{"by": "no/test", "pages": [PAGE], "languages": ["js"]}]
        faults = list(lists.faults([markdown.Block(PAGE, 1, "sh", "a\n")]))
        self.assertEqual(len(faults), 3, faults)


if __name__ == "__main__":
    unittest.main()
