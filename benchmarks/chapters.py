"""What running a chapter costs its reader: memory, processor time until the first cell is done, and in all.

    python benchmarks/chapters.py            every chapter, as the table of CONTRIBUTING.md
    python benchmarks/chapters.py films      those named

Memory is the peak resident memory of the kernel, in MB; Binder gives 1 GB to everything that it runs. Time is processor
time of the kernel, in seconds, its own start included, so that a busy machine measures the same. It ends with an error above a bar.
Linux only (ru_maxrss is in kB there).
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parents[1] / "book"
MEMORY, FIRST = 700, 3.0  # MB, s
USED = ("import resource as _r; _r = _r.getrusage(_r.RUSAGE_SELF); "
        "print(_r.ru_maxrss // 1024, round(_r.ru_utime + _r.ru_stime, 1))")


def measured(stem):
    """Peak MB, seconds until the first code cell is done, seconds in all."""
    nb = nbformat.read(BOOK / f"{stem}.ipynb", as_version=4)
    first = next(i for i, cell in enumerate(nb.cells) if cell.cell_type == "code")
    nb.cells.insert(first + 1, nbformat.v4.new_code_cell(USED))
    nb.cells.append(nbformat.v4.new_code_cell(USED))
    NotebookClient(nb, timeout=600, resources={"metadata": {"path": BOOK}}).execute()
    (_, ready), (peak, whole) = (cell.outputs[0].text.split() for cell in (nb.cells[first + 1], nb.cells[-1]))
    return int(peak), float(ready), float(whole)


above = []
print("| chapter | peak, MB | first cell, s | whole, s |\n|---|---|---|---|", flush=True)
for stem in sys.argv[1:] or sorted(path.stem for path in BOOK.glob("*.ipynb")):
    peak, ready, whole = measured(stem)
    print(f"| {stem} | {peak} | {ready} | {whole} |", flush=True)
    above += [stem] * (peak > MEMORY or ready > FIRST)
if above:
    sys.exit(f"above {MEMORY} MB, or {FIRST} s until the first cell is done: {', '.join(above)}")
