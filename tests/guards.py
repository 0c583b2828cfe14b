"""What the notebooks of the book must satisfy, so that `pytest --nbval` on them means something.

nbval passes in silence where outputs were stripped, cells are skipped, or a sanitizer swallows
numbers. A guard takes a notebook and yields (cell index, what is wrong); `problems` makes messages.
"""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import yaml
from nbval.plugin import get_sanitize_patterns

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
MAX_LINES, MAX_MEDIAN, MAX_WIDTH = 15, 5, 80

PATH = re.compile(r"(?<![\w/.:])/(?:home|root|tmp|work|usr|opt|var|Users|private)/\S*|\b[A-Z]:\\\S*")

# Tags and metadata that change what a reader sees, but not what is run or compared.
TAGS = {"hide-input", "hide-output", "remove-input", "solution"}
CELL_METADATA = {"tags", "mystnb", "jupyter"}
MYSTNB = {"figure", "image", "code_prompt_show", "code_prompt_hide"}

ABOUT = re.compile(r"^> \*\*About this chapter\.\*\*.*(?:\n>.*)*", re.MULTILINE)
CAPTION = "**How to read the figure.** "
DIRECTIVE = re.compile(r"^ *:{3,}.*|^ *`{3,}\{.*|\{[\w:-]+\}`[^`]*`", re.MULTILINE)


def read(path):
    return nbformat.read(path, as_version=4)


def notebooks(book=BOOK):
    """File name -> notebook, for every notebook in the book's folder."""
    return {path.name: read(path) for path in sorted(book.glob("*.ipynb"))}


def problems(guard, name, nb):
    return [f"{name}, cell {i}: {problem}" for i, problem in guard(nb)]


def assert_none(found):
    """Fail with every problem on a line of its own."""
    found = list(found)
    assert not found, "\n" + "\n".join(found)


def cells(nb, cell_type):
    return [(i, cell) for i, cell in enumerate(nb.cells) if cell.cell_type == cell_type]


def is_chapter(nb):
    return any(ABOUT.search(cell.source) for _, cell in cells(nb, "markdown"))


def texts(cell):
    """The text outputs of a code cell, which are what nbval compares (repr of a figure excepted)."""
    for output in cell.outputs:
        data = {"text/plain": output.text} if output.output_type == "stream" else output.get("data", {})
        for kind, text in data.items():
            if kind.startswith("text/") and not re.fullmatch(r"<Figure .*>", text):
                yield text


def calls(cell):
    """Every call in the cell, as (name, node); name is "check" for claims.check(...)."""
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


# --- nbval is not vacuous ---------------------------------------------------------------------


def is_fresh(nb):
    run = [(i, cell) for i, cell in cells(nb, "code") if cell.source.strip()]
    for count, (i, cell) in enumerate(run, 1):
        if cell.execution_count != count:
            yield i, f"execution count {cell.execution_count}, not {count}: run `make notebooks`"


def has_text_outputs(nb):
    if not any(True for _, cell in cells(nb, "code") for text in texts(cell) if text.strip()):
        yield 0, "the notebook has no text output that nbval could compare"


def skips_nothing(nb):
    for i, cell in enumerate(nb.cells):
        for tag in set(cell.metadata.get("tags", [])) - TAGS:
            yield i, f"tag {tag!r}: only {sorted(TAGS)} are allowed"
        if cell.cell_type == "code" and (marker := re.search(r"NBVAL_\w+|PYTEST_VALIDATE\w+", cell.source)):
            yield i, f"comment {marker[0]}: no cell is exempt from the comparison"


def runs_clean(nb):
    for i, cell in cells(nb, "code"):
        for output in cell.outputs:
            if output.output_type == "error":
                yield i, f"error output: {output.ename}"
            if output.get("name") == "stderr":
                yield i, f"output on stderr: {output.text[:80]!r}"


def prints_no_wide_table(nb):
    """Long lines wrap on the site: of a sentence that is well, of a table nothing is left. A DataFrame scrolls."""
    for i, cell in cells(nb, "code"):
        for output in cell.outputs:
            lines = output.get("text", "").splitlines() if output.output_type == "stream" else ()
            wide = [line for line in lines if len(line) > MAX_WIDTH and len(re.findall(r"\S(?= {2,}\S)", line)) > 1]
            if len(wide) > 1:
                yield i, f"a printed table wider than {MAX_WIDTH} columns, show the DataFrame instead: {wide[0]}"


def prints_nothing_between_displays(nb):
    """The site joins what a cell prints into one piece, which stands at the first."""
    for i, cell in cells(nb, "code"):
        kinds = "".join("p" if output.output_type == "stream" else "d" for output in cell.outputs)
        if "pdp" in re.sub(r"(.)\1+", r"\1", kinds):
            yield i, "printed text between displays moves above them on the site: display(Markdown(text)) stays"


def ends_no_cell_with_a_semicolon(nb):
    for i, cell in cells(nb, "code"):
        if cell.source.rstrip().endswith(";"):
            yield i, "ends with ';', which silences nothing under nbval: end with plt.show() or a name"


def has_no_machine_noise(nb):
    if set(nb.metadata) != {"kernelspec"}:
        yield 0, f"notebook metadata {sorted(nb.metadata)}: only 'kernelspec' is the same on every machine"
    for i, cell in enumerate(nb.cells):
        extra = set(cell.metadata) - CELL_METADATA | set(cell.metadata.get("mystnb", {})) - MYSTNB
        if extra:
            yield i, f"cell metadata {sorted(extra)}"
        for text in texts(cell) if cell.cell_type == "code" else ():
            if path := PATH.search(text):
                yield i, f"path of a machine in an output: {path[0]}"


def sanitizer_problems(config):
    """The sanitizer must leave alone everything a chapter may print as a result."""
    samples = ["3", "0.97", "-.19", "12 %", "20,000 x 1,000", "1e-10", "[[ 0.7071 -0.7071]]", "0xff",
               "[1.000e-04 5.000e-01]", "array([[2, 1],\n       [1, 2]])", "k must be in 1..7; got 10",
               "eq5 holds (==, 1e-10): 50 of 1000"]
    patterns = get_sanitize_patterns(config)
    if len(patterns) != config.count("regex:"):
        return ["a regex without its replace line: nbval would leave it out in silence"]
    return [f"sanitizer {regex!r} changes the output {sample!r}"
            for regex, _ in patterns for sample in samples if re.search(regex, sample)]


# --- form -------------------------------------------------------------------------------------


def describes_figures(nb):
    """Each figure has alt text and a name, and its caption begins the text after it, where every viewer shows it."""
    for i, cell in cells(nb, "code"):
        images = [o for o in cell.outputs if {"image/png", "image/svg+xml", "image/jpeg"} & set(o.get("data", {}))]
        meta = cell.metadata.get("mystnb", {})
        following = nb.cells[i + 1].source if i + 1 < len(nb.cells) else ""
        found = {"caption in the text after it": following.startswith(CAPTION),
                 "name": meta.get("figure", {}).get("name"), "alt text": meta.get("image", {}).get("alt", "").strip()}
        if len(images) > 1:
            yield i, "more than one figure: each needs its own cell, caption and alt text"
        if "caption" in meta.get("figure", {}):
            yield i, "a caption in the metadata, which only the site shows: put it into the text after the figure"
        yield from ((i, f"figure without {what}") for what, there in found.items() if images and not there)


def has_no_directives(nb):
    """What only the site understands stands as running text in every other viewer."""
    for i, cell in cells(nb, "markdown"):
        yield from ((i, f"only the site understands {found.strip()[:40]!r}") for found in DIRECTIVE.findall(cell.source))


def has_short_cells(nb):
    lengths = []
    for i, cell in cells(nb, "code"):
        lines = cell.source.splitlines()
        lengths.append(len(lines))
        if len(lines) > MAX_LINES:
            yield i, f"{len(lines)} lines: at most {MAX_LINES}"
        yield from ((i, f"line of {len(line)} characters, at most {MAX_WIDTH}: {line.strip()[:40]}...")
                    for line in lines if len(line) > MAX_WIDTH)
    if is_chapter(nb) and statistics.median(lengths) > MAX_MEDIAN:
        yield 0, f"the median cell has {statistics.median(lengths)} lines: at most {MAX_MEDIAN}"


def explains_every_cell(nb):
    for i in range(1, len(nb.cells)):
        if nb.cells[i].cell_type == nb.cells[i - 1].cell_type == "code":
            yield i, "no sentence between this code cell and the one before"


def prints_no_booleans(nb):
    for i, cell in cells(nb, "code"):
        if "getsource" not in cell.source and any(
                re.search(r"\b(True|False)_?\b", HIDDEN.sub(" ", text)) for text in texts(cell)):
            yield i, "a boolean in the output: check it instead"


def solves_exercises(nb):
    """Each exercise has one solution, after all exercises, folded, in which a code cell checks something."""
    exercises, solutions, current = [], {}, None
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code":
            if current:
                checks = re.search(r"^\s*assert ", cell.source, re.MULTILINE) or any(
                    name == "check" or name.startswith("assert_") for name, _ in calls(cell))
                solutions[current] |= bool(checks)
                hidden = cell.metadata.get("jupyter", {})
                if not (hidden.get("source_hidden") and hidden.get("outputs_hidden")
                        and "solution" in cell.metadata.get("tags", [])):
                    yield i, f"the code of solution {current} is not folded"
            continue
        for kind, title in re.findall(r"^### (Exercise|Solution) (.+)$", cell.source, re.MULTILINE):
            if kind == "Exercise":
                exercises.append(title)
                if solutions:
                    yield i, f"exercise {title} stands after a solution"
            elif title in solutions:
                yield i, f"two solutions of {title}"
            else:
                current, solutions[title] = title, False
        shown = re.sub(r"<details>\n<summary>[^<]+</summary>\n\n.*?\n\n</details>|^#+ [^\n]*$", "", cell.source,
                       flags=re.DOTALL | re.MULTILINE)
        if current and shown.strip():
            yield i, f"solution {current} stands open: {shown.strip()[:40]!r}"
    yield from ((0, f"no code cell in solution {title} checks anything")
                for title, checked in solutions.items() if not checked)
    if exercises != list(solutions) or [title.split(".")[0] for title in exercises] != [
            str(n) for n in range(1, len(exercises) + 1)]:
        yield 0, f"exercises {exercises} and solutions {list(solutions)}: give them the same titles, numbered"
    if is_chapter(nb) and len(exercises) != 4:
        yield 0, f"a chapter has four exercises, this one {len(exercises)}"


# --- numbers in prose -------------------------------------------------------------------------

NUMBER = re.compile(r"""(?<![\w.'’])(?P<number>[-−+]?
    (?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)? | \d+(?:\.\d+)? | \.\d+)(?:[eE][-+−]?\d+)?)
    (?P<percent>\s?%)?""", re.VERBOSE)

_N = r"[1-9]\d?(?:\.[1-9])?(?!\d|[.,]\d|\s?%)"
NOT_A_RESULT = re.compile(rf"""
    \b(?:section|eq\.|equation|figure|fig\.|table|chapter|exercise)\s+{_N}
    | \b(?:sections|eqs\.|equations|figures|figs\.|tables|chapters|exercises)
        \s+{_N}(?:\s*(?:,|and|or|to|–|-)\s*{_N})*
    | (?:arXiv:)?\b\d{{4}}\.\d{{4,5}}\b | \b10\.\d{{4,9}}/\S+
    | \b(?:19|20)\d\d[a-z]?\b(?![.,]\d|\s?%)
    | \b(?:Python|CC\ BY|version)\s*[≥>=]*\s*\d[\d.]*""", re.VERBOSE | re.IGNORECASE)

# What an HTML output holds and no reader sees.
HIDDEN = re.compile(r'<(script|style)\b.*?</\1>|\bsrc="data:[^"]*"', re.DOTALL)

SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def prose(markdown):
    """Markdown without code, directive syntax, link targets, HTML tags, the box, and numbers that name a place."""
    text = _without_fences(ABOUT.sub("", markdown))
    text = re.sub(r"(`+)[^`]*\1", " ", text)
    text = re.sub(r"\]\([^)]*\)|^\[[^]]*\]:.*$|https?://\S+|<!--.*?-->|<[a-z]+ [^<>]*>", "] ", text, flags=re.MULTILINE)
    text = re.sub(r"(\$\$?)(.+?)\1", lambda m: f" {_plain_tex(m[2])} ", text, flags=re.DOTALL)
    text = re.sub(r"(?<!\w)_+|_+(?!\w)", " ", text)  # emphasis
    text = re.sub(r"10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "1e" + m[1].translate(SUPERSCRIPTS), text)
    text = re.sub(r"(?<=\d)\s?[x×]\s?(?=[\d.])", " × ", text)
    return NOT_A_RESULT.sub(" ", text)


def _without_fences(markdown):
    """Drop code blocks; of directives keep the title and the body."""
    kept, fences = [], []
    for line in markdown.splitlines():
        in_code = bool(fences) and re.match(r"\{code|(?!\{)", fences[-1][1])
        mark = re.match(r"\s*([`~:]{3,})(.*)", line)
        if mark and fences and mark[1].startswith(fences[-1][0]) and not mark[2].strip():
            fences.pop()
        elif mark and not in_code:
            fences.append((mark[1], mark[2].strip()))
            kept.append(re.sub(r"\{[\w:-]+\}", "", mark[2]) if mark[2].strip().startswith("{") else "")
        elif not in_code and not re.match(r":[\w-]+:", line):
            kept.append(line)
    return "\n".join(kept)


def _plain_tex(tex):
    """TeX with its numbers as in text, and without exponents, subscripts, tags and commands."""
    tex = re.sub(r"\{,\}|(?<=\d)\\[,;](?=\d{3})", "", tex).replace(r"\%", "%")
    tex = re.sub(r"(?:(\d[\d.]*)\s*(?:\\times|\\cdot|×|·)\s*)?10\s*\^(?:\{([-−]?\d+)\}|(\d))",
                 lambda m: f"{m[1] or 1}e{m[2] or m[3]}", tex)
    tex = re.sub(r"\\tag\{.*?\}|\\(?:text|mathrm|operatorname)\{.*?\}", " ", tex)
    tex = re.sub(r"frac\s*(\d)(\d)", r"frac \1 / \2", tex)
    for _ in range(3):  # innermost braces first
        tex = re.sub(r"[_^](?:\{[^{}]*\}|\\\w+|\S)", " ", tex)
        tex = re.sub(r"\{([^{}]*)\}", r" \1 ", tex)
    return re.sub(r"\\[A-Za-z]+|\\.", " ", tex)


def numbers(text):
    """(as written, value, is a percentage) of every number in the text."""
    for match in NUMBER.finditer(text):
        value = float(match["number"].replace(",", "").replace("−", "-"))
        yield match[0].strip(), value, bool(match["percent"])


def is_result(written, value, percent):
    return percent or any(mark in written for mark in ".,eE") or abs(value) >= 10


def anchors(nb):
    """Every number in the source and the text outputs of the code cells; comments do not count."""
    found = set()
    for _, cell in cells(nb, "code"):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                found |= {node.value, -node.value}
        for text in texts(cell):
            text = HIDDEN.sub(" ", text)
            values = {value for _, value, _ in numbers(re.sub(r"(?<=\d)\s?[x×]\s?(?=[\d.])", " × ", text))}
            found |= values | {abs(value) for value in values}
    return {_digits(value) for value in found}


def _digits(value):
    return float(f"{value:.12g}")


def unanchored(text, found, counts=is_result):
    """Result-like numbers in markdown that equal none of the anchors; "12 %" may be 12 or .12."""
    for written, value, percent in numbers(prose(text)):
        if counts(written, value, percent) and not {_digits(value), _digits(value / 100 if percent else value)} & found:
            yield written


def anchors_numbers(nb):
    found = anchors(nb)
    for i, cell in enumerate(nb.cells):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for text in [cell.source] if cell.cell_type == "markdown" else [alt]:
            for written in unanchored(text, found):
                yield i, f"the number {written} is in no code cell or output of this notebook"


def page_problems(name, text, book):
    """A page without code states no decimals or percentages, unless a notebook linked beside them does.

    Beside: in the same paragraph, list item or table row. `book`: file name -> notebook.
    """
    text = _without_fences(text)
    text = re.sub(r"^(#+ .*)\n\s*\n", r"\1\n", text, flags=re.MULTILINE)  # a heading goes with what follows
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.)\s)", text)
    found = []
    for block in blocks:
        linked = re.findall(r"\]\(([\w-]+\.ipynb)", block)
        known = set().union(*(anchors(book[target]) for target in linked if target in book))
        found += [f"{name}: the number {written} is in no notebook linked beside it: {block.strip()[:60]!r}"
                  for written in unanchored(block, known, lambda written, value, percent:
                                            percent or any(mark in written for mark in ".eE"))]
    return found


# --- the table of contents --------------------------------------------------------------------


def toc_entries(toc):
    """The entries of _toc.yml, in order, as written ("book/index"); of generated pages those that are there."""
    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key in ("root", "file"):
                yield value
            elif key == "glob":
                yield from sorted(path.relative_to(toc.parent).with_suffix("").as_posix() for path in toc.parent.glob(f"{value}.md"))
            elif isinstance(value, (dict, list)):
                yield from walk(value)

    return list(walk(yaml.safe_load(toc.read_text(encoding="utf-8"))))


def toc_problems(root):
    """_toc.yml names exactly the pages in book/; Jupyter Book builds on in silence without an orphan."""
    entries = [entry.removesuffix(".md").removesuffix(".ipynb") for entry in toc_entries(root / "_toc.yml")]
    files = [str(path.relative_to(root).with_suffix("").as_posix()) for path in (root / "book").rglob("*")
             if path.suffix in (".ipynb", ".md") and not any(part.startswith(".") for part in path.parts)]
    return ([f"{entry}: in _toc.yml, but not in book/" for entry in sorted(set(entries) - set(files))]
            + [f"{file}: in book/, but not in _toc.yml" for file in sorted(set(files) - set(entries))]
            + [f"{name}: twice" for name in sorted(set(entries)) if entries.count(name) > 1 or files.count(name) > 1])
