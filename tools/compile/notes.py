"""What the dataset card says about the tables: chapters of data/README.md,
packed as they stand, so that the card of a corpus made anywhere names the
sources of the model that made it."""
import os

from .tables import fail

README = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "..", "..", "data", "README.md")
# section of the model -> chapter of the document
CHAPTERS = {
    "doc.sources": "Where each figure comes from",
    "doc.left.out": "What was left out, and whom the rest covers",
    "doc.assumed": "What is assumed",
}


def chapter(text, title):
    """The lines under a heading of the second level, without it."""
    lines = text.split("\n")
    if "## " + title not in lines:
        fail(f"data/README.md has no chapter \"{title}\"")
    start = lines.index("## " + title) + 1
    end = next((k for k in range(start, len(lines))
                if lines[k].startswith("## ")), len(lines))
    return "\n".join(lines[start:end]).strip() + "\n"


def add(w, us, chapters=None):
    with open(README, encoding="utf-8") as f:
        text = f.read()
    for section, title in (chapters or CHAPTERS).items():
        w.add(section, "B", list(chapter(text, title).encode("utf-8")))
    return []
