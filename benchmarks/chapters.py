"""What running a chapter costs its reader: memory, processor time until the first cell is done, in all, and of each long cell.

    python benchmarks/chapters.py            every chapter, as the table of CONTRIBUTING.md
    python benchmarks/chapters.py films      those named

Memory is the peak resident memory of the kernel, in MB; Binder gives 1 GB to everything that it runs. Time is processor
time of the kernel, in seconds, its own start included, so that a busy machine measures the same. The cells of more than 3 s are
named apart from the table. It ends with an error above a bar.
Linux only (ru_maxrss is in kB there).
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parents[1] / "book"
MEMORY, FIRST, LONG = 700, 3.0, 3.0  # MB, s, s
USED = ("import resource as _r; _r = _r.getrusage(_r.RUSAGE_SELF); "
        "print(f'{_r.ru_maxrss // 1024} {_r.ru_utime + _r.ru_stime:.1f}')")  # in one piece, or a slow kernel sends it in several


def measured(stem):
    """Peak MB, and the seconds that have passed after each code cell: its index -> seconds."""
    nb = nbformat.read(BOOK / f"{stem}.ipynb", as_version=4)
    code = [i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    for i in reversed(code):
        nb.cells.insert(i + 1, nbformat.v4.new_code_cell(USED))
    NotebookClient(nb, timeout=600, resources={"metadata": {"path": BOOK}}).execute()
    used = [nb.cells[i + n + 1].outputs[0].text.split() for n, i in enumerate(code)]
    return int(used[-1][0]), {i: float(seconds) for i, (_, seconds) in zip(code, used)}


above = []
print("| chapter | peak, MB | first cell, s | whole, s |\n|---|---|---|---|", flush=True)
for stem in sys.argv[1:] or sorted(path.stem for path in BOOK.glob("*.ipynb")):
    peak, passed = measured(stem)
    ready, whole = min(passed.values()), max(passed.values())
    print(f"| {stem} | {peak} | {ready} | {whole} |", flush=True)
    above += [stem] * (peak > MEMORY or ready > FIRST)
    for before, (i, now) in zip([0, *passed.values()], passed.items()):
        if now - before > LONG:
            print(f"{stem}, cell {i}: {now - before:.1f} s", file=sys.stderr, flush=True)
if above:
    sys.exit(f"above {MEMORY} MB, or {FIRST} s until the first cell is done: {', '.join(above)}")
