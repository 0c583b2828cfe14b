"""Peak resident memory of every chapter's kernel, in MB; exits with an error above 1 GB, which free hosts guarantee.

Linux only (ru_maxrss is in kB there).  python benchmarks/memory.py [stem ...]
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parents[1] / "book"
LIMIT = 1000
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"

peaks = {}
for stem in sys.argv[1:] or sorted(path.stem for path in BOOK.glob("*.ipynb")):
    nb = nbformat.read(BOOK / f"{stem}.ipynb", as_version=4)
    nb.cells.append(nbformat.v4.new_code_cell(PEAK))
    NotebookClient(nb, timeout=600, resources={"metadata": {"path": BOOK}}).execute()
    peaks[stem] = int(nb.cells[-1].outputs[0].text)
    print(f"{peaks[stem]:6} {stem}", flush=True)
if max(peaks.values()) > LIMIT:
    sys.exit(f"more than {LIMIT} MB")
