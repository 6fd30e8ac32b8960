import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from stockroom.cli import main


class CliTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = str(Path(directory.name, "shelf.json"))

    def run_cli(self, *words):
        """The exit code and what was printed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = main(["--file", self.file, *words])
        return code, output.getvalue()

    def test_pieces_come_and_go(self):
        self.run_cli("add", "bolt", "200", "--price", "0.12")
        self.assertEqual(self.run_cli("take", "bolt", "120"), (0, "bolt: 80\n"))
        self.assertEqual(self.run_cli("list"), (0, "    80  bolt\nworth 9.60\n"))

    def test_what_is_not_there_cannot_be_taken(self):
        self.assertEqual(self.run_cli("take", "bolt", "1"), (2, "stockroom: there is no bolt\n"))


if __name__ == "__main__":
    unittest.main()
