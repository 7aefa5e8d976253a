"""Tables that people write, against those in the code. (Errors and settings are made from the code.)"""

import re
import unittest

from markdown import ROOT

CODE_IN_TEXT = re.compile(r"`([^`]+)`")


def read(name):
    return (ROOT / name).read_text()


def rows(page, header):
    """The rows of the table whose first cell in the head is this; each row its cells."""
    lines = read(page).split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {header} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def names(page, header):
    return {name for first, *_ in rows(page, header) for name in CODE_IN_TEXT.findall(first)}


def strings_between(name, start, end):
    """The string literals of a piece of source."""
    return set(re.findall(r'"([^"]+)"', read(name).split(start, 1)[1].split(end, 1)[0]))


class Tables(unittest.TestCase):
    def test_parameters_and_scopes(self):
        coded = strings_between("crates/gatepass-sign/src/policy.rs", "const NAMES", "];")
        self.assertEqual(names("docs/signing.md", "name"), coded | {"meta.NAME"})
        coded = strings_between("crates/gatepass-sign/src/keyring.rs", "const SCOPES", "];")
        self.assertEqual(names("docs/signing.md", "scope"), coded)

    def test_metrics(self):
        sources = (file.read_text() for file in ROOT.glob("crates/*/src/**/*.rs"))
        coded = {name for text in sources for name in re.findall(r'"(gatepass_[a-z_]+)"', text)}
        shown = set(re.findall(r"`(gatepass_[a-z_]+)[`{]", read("docs/operating.md")))
        self.assertEqual(coded & shown, coded, "not on the page")
        self.assertEqual(shown - coded, set(), "not in the code")

    def test_defaults_that_are_named_beside_a_setting(self):
        defaults = {cells[0].strip("`"): cells[3].strip("`") for cells in rows("docs/configuration.md", "key")}
        seen = 0
        for page in sorted((ROOT / "docs").glob("*.md")):
            for name, value in re.findall(r"`([a-z_-]+)`,? \(?(\d+ ?(?:[KMGT]i?B|ms|s|m|h|d)\b|\d+ each)", page.read_text()):
                default = defaults.get(name.replace("-", "_"))
                if default and re.fullmatch(r"\d+\w*", default):
                    seen += 1
                    self.assertEqual(value.removesuffix(" each").replace(" ", ""), default, f"{page.name}: {name}")
        self.assertGreater(seen, 3)

    def test_the_uploader_and_its_element(self):
        element = read("sdk/js/src/element/uploader.ts")
        coded = set(re.findall(r'(?:[gh][ea][ts]Attribute|number)\("([a-z-]+)"\)', element))
        # Only the style asks for this one.
        coded.add("theme")
        self.assertEqual(names("docs/browser.md", "attribute"), coded)
        options = read("sdk/js/src/types.ts").split("interface TransferOptions", 1)[1].split("\n}", 1)[0]
        coded = set(re.findall(r"^  (\w+)\?", options, re.M)) | {"url", "getUrl"}
        self.assertEqual(names("docs/browser.md", "option"), coded)
        states = read("sdk/js/src/types.ts").split("type UploadState =", 1)[1].split(";", 1)[0]
        self.assertEqual(names("docs/browser.md", "state"), set(re.findall(r'"(\w+)"', states)))
        style = read("sdk/js/src/element/style.ts")
        self.assertEqual(names("docs/browser.md", "custom property"), set(re.findall(r"--gatepass-[a-z]+", style)))

    def test_options_of_the_signers(self):
        for language, ending in (("python", "py"), ("js", "ts"), ("php", "php"), ("ruby", "rb"), ("go", "go"), ("java", "java"), ("elixir", "ex"), ("sh", "")):
            folder = ROOT / "sdk" / language
            sources = folder.glob(f"**/*.{ending}") if ending else [folder / "gatepass-sign"]
            text = "\n".join(file.read_text() for file in sources if "node_modules" not in file.parts)
            for name in names(f"sdk/{language}/README.md", "option"):
                self.assertRegex(text, rf"(?<![\w-]){re.escape(name)}\b", f"{language}: no option {name}")


if __name__ == "__main__":
    unittest.main()
