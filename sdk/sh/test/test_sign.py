import json
import pathlib
import re
import shutil
import subprocess
import time
import unittest

from cases import SCRIPT, answer, answer_all, expected, run

VECTORS = pathlib.Path(__file__).parents[3] / "vectors" / "signing.json"
PUBLIC_URL = "https://files.example.net"


class Sign(unittest.TestCase):
    def setUp(self):
        self.cases = json.loads(VECTORS.read_text())["cases"]

    def test_answers_every_case_of_the_vectors(self):
        for kind in ("sign", "sign-refuse", "receipt"):
            mine = [case for case in self.cases if case["kind"] == kind]
            self.assertGreater(len(mine), 20)
            for case, found in zip(mine, answer_all(mine)):
                self.assertEqual(found, expected(case), case["id"])

    def test_other_shells_answer_the_same(self):
        some = [case for case in self.cases if case["kind"] in ("sign", "sign-refuse", "receipt")][::7]
        for shell in ("bash", "bash --posix", "busybox sh", "ksh"):
            if shutil.which(shell.split()[0]):
                for case, found in zip(some, answer_all(some, shell)):
                    self.assertEqual(found, expected(case), f"{shell}: {case['id']}")

    def test_refuses_settings_that_are_no_key_and_no_host(self):
        self.assertEqual(run("upload", "a.bin", key=""), "!settings_invalid")
        for url in ("", "files.example.net", "https://", PUBLIC_URL + "/folder", PUBLIC_URL + "?x=1", PUBLIC_URL + "\n"):
            self.assertEqual(run("upload", "a.bin", public_url=url), "!settings_invalid", url)

    def test_keys_of_every_length(self):
        for length in (1, 63, 64, 65, 200):
            case = next(dict(case) for case in self.cases if case["id"] == "v1")
            case["key"] = "k" * length
            by_hand = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", case["key"], "-binary"], check=True,
                                     input=case["string_to_sign"].encode(), capture_output=True).stdout  # fmt: skip
            url = answer(case)
            found = subprocess.run(["openssl", "base64", "-d", "-A"], check=True, capture_output=True,
                                   input=url.split("signature=")[1].replace("-", "+").replace("_", "/").encode() + b"=").stdout  # fmt: skip
            self.assertEqual(found, by_hand, length)

    def test_refuses_options_that_a_shell_lets_through(self):
        for options in (
            ("--max-size", "10MB"), ("--max-size", "1.5"), ("--max-size", "007"), ("--max-size", ""), ("--size", "0x10"),
            ("--size", "99999999999999999999999"), ("--expires-in", "0"), ("--expires-in", "1h"), ("--expires-in", "-5"),
            ("--expiry", ""), ("--expires-in", "60", "--expiry", "4102444800"), ("--type", ""), ("--overwrite", "no"),
            ("--ref", "a", "--ref", "b"), ("--meta", "a", "1", "--meta", "a", "2"), ("--ref", b"\xff"), ("--type", "*/$(id)"),
        ):  # fmt: skip
            self.assertEqual(run("upload", "a.bin", *options), "!policy_malformed", options)
        self.assertEqual(run("upload", b"\xff.png"), "!path_invalid")

    def test_the_three_kinds_of_url_an_hour_by_default(self):
        for command, method in (("upload", "put"), ("download", "get"), ("delete", "delete")):
            soon = int(time.time()) + 3600
            url = run(command, "a b.png")
            self.assertRegex(url, rf"^{PUBLIC_URL}/a%20b\.png\?expiry=\d+&method={method}&signature=[\w-]{{43}}$")
            self.assertIn(int(re.search(r"expiry=(\d+)", url)[1]), range(soon, soon + 6))

    def test_wrong_usage_is_exit_code_2(self):
        for arguments in ([], ["put", "a"], ["upload"], ["upload", "a", "--max-size"], ["upload", "a", "--max_size", "1"],
                          ["upload", "a", "--method", "get"], ["upload", "a", "--meta", "a"], ["verify-receipt", "t", "--now", "x"]):  # fmt: skip
            done = subprocess.run(["sh", SCRIPT, *arguments], capture_output=True, env={"GATEPASS_API_KEY": "k", "GATEPASS_PUBLIC_URL": PUBLIC_URL, "PATH": "/usr/bin:/bin"})
            self.assertEqual(done.returncode, 2, arguments)

    def test_the_key_is_on_no_command_line(self):
        traced = subprocess.run(["sh", "-x", SCRIPT, "upload", "a.bin"], capture_output=True, encoding="utf-8",
                                env={"GATEPASS_API_KEY": "gp_test_key", "GATEPASS_PUBLIC_URL": PUBLIC_URL, "PATH": "/usr/bin:/bin"})  # fmt: skip
        programs = [line for line in traced.stderr.splitlines() if re.match(r"\++ (openssl|od|awk|tr|iconv|sed|sort|date) ", line)]
        self.assertTrue(programs)
        self.assertFalse([line for line in programs if "gp_test_key" in line])


if __name__ == "__main__":
    unittest.main()
