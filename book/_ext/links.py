"""What a page names becomes a link: equations, claims, functions and terms, in text, in code and in printed lines.

A Sphinx extension, named in _config.yml. Chapters say "Eq. 5", `cosim.rescale` or the name of a claim, which every viewer
shows as it stands; the site links it. What the previews on such links show is written into _static/book-data.js.
"""

import inspect
import json
import re
from functools import cache
from html import escape, unescape
from pathlib import Path

import ledger_pages

import cosim
from cosim import claims

TOKEN = re.compile(r"(<!--.*?-->|<[^>]*>)", re.DOTALL)
NEVER = {"a", "script", "style", "svg", "button", "summary", "textarea", "select", "h1", "title"}  # no link inside
HEADINGS = {"h2", "h3", "h4", "h5", "h6", "th"}  # no link to a term
VOID = {"img", "br", "hr", "input", "wbr", "col", "source", "meta", "link"}
EQUATIONS = re.compile(r"\bEqs?\.(?:\s|&nbsp;|\xa0)*\d(?!\.?\d)(?:\s*(?:,|–|-|and|or|to)\s*\d(?!\.?\d))*")
SLUG = re.compile(r"(?<![\w/#.-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])")
CALL = re.compile(r"(?<![\w.])(?:cosim\.)?[a-z_]\w*(?:\.[a-z_]\w*)?(?![\w.])")
IN_CODE = re.compile(r'<span class="n">(cosim|claims)</span><span class="o">\.</span><span class="n">(\w+)</span>')
HOLDS = re.compile(r"^([a-z0-9-]+)(?= holds \()", re.MULTILINE)


@cache
def functions():
    """Every name under which the book speaks of a public function or class -> its full name."""
    found = {}
    for name in cosim.__all__:
        thing = getattr(cosim, name)
        if inspect.ismodule(thing):
            found |= {f"{name}.{key}": f"{thing.__name__}.{key}" for key, value in vars(thing).items()
                      if callable(value) and getattr(value, "__module__", "") == thing.__name__ and key[0] != "_"}
        elif callable(thing):
            found[name] = f"{thing.__module__}.{thing.__name__}"
    return found | {f"cosim.{name}": full for name, full in found.items()}


@cache
def terms():
    """Words in lower case, and formulas as they stand in HTML -> the name of their term."""
    glossary = ledger_pages.glossary().items()
    return ({word.lower(): name for name, term in glossary for word in term["words"]},
            {rf"\({tex}\)": name for name, term in glossary for tex in term.get("tex", [])})


@cache
def in_words():
    """Finds terms in text, the longer ones first."""
    words = "|".join(map(re.escape, sorted(terms()[0], key=len, reverse=True))).replace("@", "(?:@|&#64;)")  # as HTML has it
    return re.compile(rf"(?<![\w@-])(?:{words})(?![\w@-])", re.IGNORECASE)


class Linker:
    """Makes the links of one page. `address` gives the page of a document, relative to this one."""

    def __init__(self, address, documented, defines=False):
        self.address, self.documented = address, documented
        self.claims, self.equations = ledger_pages.addresses(), claims.ledger()["equations"]
        self.checked, self.called = set(), set()
        self.used = set(ledger_pages.glossary()) if defines else set()  # the page that defines terms links none

    def to(self, document, anchor):
        return f"{self.address(document)}#{anchor}"

    def link(self, href, text, **attributes):
        more = "".join(f' {name}="{value}"' for name, value in attributes.items())
        return f'<a class="term" href="{href}"{more}>{text}</a>'

    def claim(self, name):
        page, anchor = self.claims[name].split(".html#")
        return self.to(f"book/{page}", anchor)

    def equation(self, match):
        def one(found):
            equation = self.equations.get(found["number"])
            return self.link(self.to(f"book/{equation['chapter']}", f"eq-{found['number']}"), found[0]) if equation else found[0]

        return re.sub(r"(?:Eqs?\.\D*)?(?P<number>\d)", one, match[0])

    def function(self, name, text):
        full = functions().get(name)
        return self.link(self.to("book/api", full), text) if full in self.documented else text

    def call(self, match):
        """A function of a code cell, where a page names it first."""
        name = f"{match[1]}.{match[2]}"
        if name not in functions() or name in self.called:
            return match[0]
        self.called.add(name)
        return self.function(name, match[0])

    def printed(self, match):
        name = match[1]
        if name not in self.claims:
            return name
        anchor = {} if name in self.checked else {"id": f"check-{name}"}
        self.checked.add(name)
        return self.link(self.claim(name), name, **anchor)

    def term(self, name):
        """The address of a definition, the first time on this page that the term is used; later None."""
        if name in self.used:
            return None
        self.used.add(name)
        return self.to("book/terms", f"term-{name}")

    def word(self, match):
        href = self.term(terms()[0][unescape(match[0]).lower()])
        return self.link(href, match[0]) if href else match[0]

    def text(self, text, inside):
        """Words between two tags, where `inside` are the elements around them."""
        if "pre" in inside:
            text = HOLDS.sub(self.printed, text)
        elif "code" in inside:
            text = CALL.sub(lambda m: self.function(m[0], m[0]) if m[0] in functions() else m[0], text)
        parts = re.split(r"(<a .*?</a>)", text)
        parts[::2] = [EQUATIONS.sub(self.equation, part) for part in parts[::2]]
        if "pre" not in inside:
            text = "".join(SLUG.sub(lambda m: self.link(self.claim(m[0]), m[0]) if m[0] in self.claims else m[0], part) if i % 2 == 0 else part
                           for i, part in enumerate(parts))
            parts = re.split(r"(<a .*?</a>)", text)
            if not inside & HEADINGS and "code" not in inside:
                parts[::2] = [in_words().sub(self.word, part) for part in parts[::2]]
        return "".join(parts)

    def page(self, body):
        body = IN_CODE.sub(self.call, body)
        inside, made, ends = [], [], False
        for token in TOKEN.split(body):
            if token.startswith("<!"):
                made.append(token)
            elif tag := re.match(r"<(/?)([\w-]+)", token):
                if tag[1]:
                    while inside and inside.pop()[0] != tag[2]:
                        pass
                    if ends:  # of a formula, with the link around it
                        ends = False
                        continue
                elif tag[2] not in VOID and not token.endswith("/>"):
                    math = re.search(r'class="[^"]*\bmath\b', token) is not None
                    inside.append((tag[2], math))
                made.append(token)
            else:
                names = {name for name, _ in inside}
                math = any(math for _, math in inside)
                if math and token in terms()[1] and not names & (NEVER | HEADINGS) and (href := self.term(terms()[1][token])):
                    start = made.pop()
                    label = ledger_pages.glossary()[terms()[1][token]]["words"][0]  # a formula alone gives a link no name
                    made.append(f'<a class="term" href="{href}" aria-label="{label}">{start}')
                    token, ends = f"{token}</span></a>", True
                made.append(token if math or names & NEVER or not token.strip() else self.text(token, names))
        return "".join(made)


def documented(app):
    """The full names that the page of functions explains."""
    return {name for name, _, kind, document, _, _ in app.env.get_domain("py").get_objects() if document == "book/api"}


def link_page(app, pagename, templatename, context, doctree):
    if "body" in context and doctree is not None:
        here = app.builder.name == "singlehtml"  # all is on one page
        linker = Linker(lambda target: "" if here or target == pagename else app.builder.get_relative_uri(pagename, target), documented(app), pagename == "book/terms")
        context["body"] = linker.page(context["body"])


# --- previews, and what the ledger's filter reads -----------------------------------------------


def inline(tex):
    """TeX as HTML that MathJax typesets."""
    return ", ".join(rf'<span class="math">\({escape(part, quote=False)}\)</span>' for part in re.split(r", *\\quad ", tex))


def data(app):
    ledger, address, names = claims.ledger(), ledger_pages.addresses(), ledger_pages.chapters()
    uri = app.builder.get_target_uri
    found = {"claims": {}, "equations": {}, "functions": {}, "terms": {}}
    for name, term in ledger_pages.glossary().items():
        text = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(term["text"], quote=False)))
        found["terms"][name] = {"url": f"{uri('book/terms')}#term-{name}", "name": term["words"][0],
                                "text": re.sub(r"\$([^$]+)\$", r'<span class="math">\(\1\)</span>', text)}
    for name, claim in ledger["claims"].items():
        page, anchor = address[name].split(".html#")
        found["claims"][name] = {
            "url": f"{uri(f'book/{page}')}#{anchor}", "text": ledger_pages.typeset(claim["statement"]), "tex": inline(claim["symbols"]),
            "chapter": names.get(claim["chapter"], claim["chapter"]), "section": ledger_pages.section(claim["place"]),
            "place": claim["place"], "kind": claim.get("kind", "–"), "status": claim["status"]}
    for number, equation in ledger["equations"].items():
        found["equations"][number] = {"url": f"{uri('book/' + equation['chapter'])}#eq-{number}", "tex": inline(equation["formula"]),
                                      "function": f"cosim.{equation['function']}"}
    for name, full in functions().items():
        if full in documented(app) and name.startswith("cosim."):
            thing = getattr(inspect.getmodule(cosim if "." not in name[6:] else getattr(cosim, name.split(".")[1])), name.rpartition(".")[2])
            lines = inspect.getdoc(thing).split("\n\n")[0]
            found["functions"][full] = {"url": f"{uri('book/api')}#{full}", "name": name, "signature": escape(str(inspect.signature(thing))),
                                        "text": escape(" ".join(lines.split()))}
    return found


def write_data(app, exception):
    if exception is None and app.builder.name in ("html", "dirhtml"):
        text = f"window.bookData = {json.dumps(data(app), ensure_ascii=False, separators=(',', ':'))};"
        Path(app.outdir, "_static/book-data.js").write_text(text, encoding="utf-8")


def setup(app):
    app.connect("html-page-context", link_page, priority=800)
    app.connect("build-finished", write_data)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
