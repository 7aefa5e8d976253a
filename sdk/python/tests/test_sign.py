import json
import pathlib
import time
import unittest

from cases import answer, expected
from gatepass_sign import Signer, SigningError

VECTORS = pathlib.Path(__file__).parents[3] / "vectors" / "signing.json"
PUBLIC_URL = "https://files.example.net"


class Sign(unittest.TestCase):
    def setUp(self):
        self.signer = Signer("gp_test_key", PUBLIC_URL)

    def refuses(self, code, call, *args, **options):
        with self.assertRaises(SigningError, msg=f"{args} {options}") as raised:
            call(*args, **options)
        self.assertEqual(raised.exception.code, code)

    def test_answers_every_case_of_the_vectors(self):
        cases = json.loads(VECTORS.read_text())["cases"]
        for kind in ("sign", "sign-refuse", "receipt"):
            mine = [case for case in cases if case["kind"] == kind]
            self.assertGreater(len(mine), 20)
            for case in mine:
                self.assertEqual(answer(case), expected(case), case["id"])

    def test_refuses_settings_that_are_no_key_and_no_host(self):
        self.refuses("settings_invalid", Signer, "", PUBLIC_URL)
        self.refuses("settings_invalid", Signer, None, PUBLIC_URL)
        for url in (None, "", "files.example.net", "https://", PUBLIC_URL + "/folder", PUBLIC_URL + "?x=1", PUBLIC_URL + "\n"):
            self.refuses("settings_invalid", Signer, "k", url)

    def test_refuses_options_that_python_lets_through(self):
        for options in (
            {"max_size": "10"}, {"max_size": 1.0}, {"size": True}, {"expires_in": 0}, {"expires_in": 0.5},
            {"expires_in": 60, "expiry": 4102444800}, {"expiry": "4102444800"}, {"type": ""}, {"type": []}, {"type": [7]},
            {"overwrite": "false"}, {"overwrite": 0}, {"ref": 7}, {"ref": "\ud800"}, {"meta": {"user": 7}},
            {"meta": {"user": None}}, {"meta": {7: "x"}},
        ):  # fmt: skip
            self.refuses("policy_malformed", self.signer.sign_upload, "a.bin", **options)
        for path in (None, 7, b"a.bin", "\ud800.png"):
            self.refuses("path_invalid", self.signer.sign_upload, path)
        with self.assertRaises(TypeError):
            self.signer.sign_upload("a.bin", maxsize=10)

    def test_the_three_kinds_of_url_an_hour_by_default(self):
        for call, method in (("sign_upload", "put"), ("sign_download", "get"), ("sign_delete", "delete")):
            soon = int(time.time()) + 3600
            url = getattr(self.signer, call)("a b.png", type=None)
            self.assertRegex(url, rf"^{PUBLIC_URL}/a%20b\.png\?expiry=\d+&method={method}&signature=[\w-]{{43}}$")
            self.assertIn(int(url.split("expiry=")[1].split("&")[0]), range(soon, soon + 6))
        self.assertIn("&type=image/png,image/*&", self.signer.sign_upload("a", type=["image/png", "image/*"]))

    def test_the_key_does_not_print(self):
        self.assertNotIn("gp_test_key", repr(self.signer) + str(self.signer))


if __name__ == "__main__":
    unittest.main()
