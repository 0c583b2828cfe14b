// Previews of what a link leads to, and the ledger's filter. Both read _static/book-data.js, which is loaded when it is first
// needed: as a script, since a page opened from a folder may not fetch.

const bookRoot = new URL(document.documentElement.dataset.content_root || "./", location.href);

const scripts = {};
const loadScript = path => scripts[path] ??= new Promise((done, fail) => {
  const script = Object.assign(document.createElement("script"), {src: new URL(`_static/${path}`, bookRoot), onload: done, onerror: fail});
  document.head.append(script);
});
const loadData = () => loadScript("book-data.js").then(() => window.bookData);

// Formulas of what a script has made; those of the page are typeset already, and so MathJax is loaded for these alone.
async function typeset(element) {
  if (!element.querySelector(".math")) return;
  window.MathJax ||= {options: {enableMenu: false}, startup: {typeset: false}};
  await loadScript("mathjax/tex-chtml.js");
  await window.MathJax.startup.promise;
  await window.MathJax.typesetPromise([element]);
}

// What is known of the target of a link: claim, equation, term or function.
function previewOf(data, hash) {
  const claim = data.claims[hash.replace(/^claim-/, "")], equation = data.equations[hash.replace(/^eq-/, "")], f = data.functions[hash];
  if (claim && hash.startsWith("claim-")) return `<strong>${hash.slice(6)}</strong> (${claim.status}). ${claim.text} ${claim.tex}`;
  if (equation && hash.startsWith("eq-")) return `<strong>Eq. ${hash.slice(3)}</strong> ${equation.tex}<br><code>${equation.function}</code>`;
  const term = data.terms[hash.replace(/^term-/, "")];
  if (term && hash.startsWith("term-")) return `<strong>${term.name}</strong>. ${term.text}`;
  if (f) return `<code>${f.name}${f.signature}</code><br>${f.text}`;
  return null;
}

addEventListener("DOMContentLoaded", () => {
  const box = Object.assign(document.createElement("div"), {id: "preview", role: "tooltip", hidden: true});
  (document.querySelector("main") || document.body).append(box);
  let owner = null, timer, touched = false;

  const close = () => {
    clearTimeout(timer);
    owner?.removeAttribute("aria-describedby");
    owner = null;
    box.hidden = true;
  };

  async function open(link) {
    const text = previewOf(await loadData(), decodeURIComponent(link.hash.slice(1)));
    if (!text) return;
    close();
    owner = link;
    box.innerHTML = text + (touched ? `<p><a href="${link.href}">Go there</a></p>` : "");
    box.hidden = false;
    link.setAttribute("aria-describedby", "preview");
    place();
    await typeset(box);
    if (owner === link) place();
  }

  // Below the link, or above it where there is no room; never beyond the edges of the screen.
  function place() {
    const {left, top, bottom} = owner.getClientRects()[0], {offsetWidth: width, offsetHeight: height} = box;
    box.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - width - 8))}px`;
    box.style.top = `${bottom + height + 8 < innerHeight ? bottom + 4 : Math.max(8, top - height - 4)}px`;
  }

  const later = (action, delay) => { clearTimeout(timer); timer = setTimeout(action, delay); };
  const linkAt = event => event.target.closest?.("a.term");
  document.addEventListener("pointerover", event => {
    const link = linkAt(event);
    if (event.pointerType === "touch") return;
    if (link && link !== owner) later(() => open(link), 250);
    else if (owner && !link && !box.contains(event.target) && !owner.matches(":focus-visible")) later(close, 250);
    else clearTimeout(timer);  // what the keyboard has opened stays open wherever the pointer lies
  });
  document.addEventListener("focusin", event => {
    if (linkAt(event)?.matches(":focus-visible")) open(linkAt(event));
    else if (!box.contains(event.target)) close();
  });
  document.addEventListener("focusout", event => linkAt(event) === owner && !box.contains(event.relatedTarget) && close());
  document.addEventListener("keydown", event => event.key === "Escape" && close());
  document.addEventListener("pointerdown", event => { touched = event.pointerType === "touch"; }, true);
  document.addEventListener("click", event => {  // the first tap shows the preview, which holds the link
    const link = linkAt(event);
    if (touched && link && link !== owner) {
      event.preventDefault();
      open(link);
    } else if (!box.contains(event.target)) close();
  });
  // A link that the keyboard reaches scrolls into view by itself. A preview that is about to open is not stopped: if its link
  // has left the pointer, that is told as well.
  addEventListener("scroll", () => owner?.matches(":focus-visible") ? place() : owner && close(), {passive: true});
});

// --- the filter: what is chosen stands in the address -------------------------------------------

const FIELDS = ["chapter", "section", "kind", "status"], SHOWN = 40;

async function filterLedger(root) {
  const claims = Object.entries((await loadData()).claims), state = new URLSearchParams(location.search);
  const choose = field => {
    const values = [...new Set(claims.map(([, claim]) => claim[field]))];
    if (field === "section") values.sort();
    return `<label>${field} <select name="${field}"><option value="">all</option>${values.map(value =>
      `<option>${value}</option>`).join("")}</select></label>`;
  };
  root.innerHTML = `<form role="search" aria-label="Claims">${FIELDS.map(choose).join("")}
    <label>words <input type="search" name="text" autocomplete="off"></label></form>
    <p role="status"></p><ul></ul>`;
  const form = root.querySelector("form"), list = root.querySelector("ul");
  for (const {name} of form.elements) form.elements[name].value = state.get(name) || "";

  async function show() {
    const chosen = [...new FormData(form)].filter(([, value]) => value.trim());
    const words = (form.elements.text.value.toLowerCase().match(/\S+/g) || []);
    const found = chosen.length ? claims.filter(([name, claim]) => FIELDS.every(field => [claim[field], ""].includes(form.elements[field].value))
      && words.every(word => `${name} ${claim.text} ${claim.tex} ${claim.place}`.toLowerCase().includes(word))) : [];
    history.replaceState(null, "", `${location.pathname}${chosen.length ? "?" + new URLSearchParams(chosen) : ""}${location.hash}`);
    root.querySelector("[role=status]").textContent = !chosen.length ? `Choose among ${claims.length} claims.`
      : `${found.length} of ${claims.length} claims${found.length > SHOWN ? `; the first ${SHOWN}` : ""}:`;
    list.innerHTML = found.slice(0, SHOWN).map(([name, claim]) =>
      `<li><a href="${new URL(claim.url, bookRoot)}">${name}</a> (${claim.status}): ${claim.text} ${claim.tex}</li>`).join("");
    await typeset(list);
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  await show();
}

addEventListener("load", () => {
  const root = document.getElementById("ledger-filter");
  if (!root) return;
  const claim = location.hash.match(/^#claim-(.+)/);  // an address from the time when all claims stood on this page
  if (claim) loadData().then(({claims}) => claims[claim[1]] && location.replace(new URL(claims[claim[1]].url, bookRoot)));
  filterLedger(root);
});
