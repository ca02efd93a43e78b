"""The README's blocks for a Python programmer, run in order; each prints the text that follows it."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_each_block_prints_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = README.read_text().split("## Five minutes\n")[1].split("## Five minutes for Open edX")[0]
    blocks = re.findall(r"```(python|text)\n(.*?)```", part, re.DOTALL)
    names = {}
    assert [kind for kind, _ in blocks] == ["python", "text"] * 5
    for (_, code), (_, wanted) in zip(blocks[::2], blocks[1::2]):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "README.md", "exec"), names)
        assert re.sub(r"/\S*/", "", out.getvalue()) == wanted
