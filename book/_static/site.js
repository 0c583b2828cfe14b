// What the theme leaves undone for readers who use a keyboard or a screen reader, or who print.

// A box that scrolls must be reachable by Tab, but only while there is something to scroll: that changes with the
// window, and when a solution is opened.
const boxes = new ResizeObserver(entries => {
  for (const {target} of entries) {
    const {overflowX, overflowY} = getComputedStyle(target), scrolls = /auto|scroll/;
    const wide = target.scrollWidth > target.clientWidth && scrolls.test(overflowX);
    const high = target.scrollHeight > target.clientHeight && scrolls.test(overflowY);
    if (wide || high) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const observe = selector => document.querySelectorAll(selector).forEach(box => boxes.observe(box));

// Who reloads a page or goes back is shown the place of before, which needs the heights of all sections (cosim.css).
if (performance.getEntriesByType("navigation")[0]?.type !== "navigate") document.documentElement.classList.add("again");

addEventListener("load", () => {
  // The link around the book's title stands outside of every landmark.
  const logo = document.querySelector(".navbar-brand")?.parentElement;
  logo?.setAttribute("role", "navigation");
  logo?.setAttribute("aria-label", "First page");
  // The arrow that folds a part of the contents says nothing to who can't see it.
  for (const arrow of document.querySelectorAll("summary:has(> .toctree-toggle)"))
    arrow.setAttribute("aria-label", `Pages under ${arrow.closest("li")?.querySelector("a")?.textContent.trim()}`);
  // The empty corners of a table are no headers.
  for (const th of document.querySelectorAll("th"))
    if (!th.textContent.trim()) th.replaceWith(document.createElement("td"));
  // Who prints is not kept waiting for the fonts of formulas that were not shown yet.
  const used = new Set(["MJXZERO", "MJXTEX"]);
  document.querySelectorAll("mjx-c[class*=TEX]").forEach(glyph => used.add(`MJX${glyph.className.split(" ").at(-1)}`));
  document.fonts.forEach(font => { if (used.has(font.family.replaceAll('"', ""))) font.load().catch(() => {}); });
  observe("pre, .pst-scrollable-table-container, .cell_output .output, dl.py table, div.math, span.math, mjx-container[display=true]");
});

// Where several versions are published side by side, a choice among them: the same page of another version.
addEventListener("DOMContentLoaded", () => {
  const sidebar = document.querySelector(".sidebar-primary-items__start");
  if (!sidebar || (window.bookVersions || []).length < 2) return;
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  const here = root.pathname.split("/").at(-2), label = document.createElement("label"), select = document.createElement("select");
  select.append(...window.bookVersions.map(name => new Option(name, name, name === here, name === here)));
  select.addEventListener("change", () => {
    location.href = new URL(`../${select.value}/${location.href.slice(root.href.length)}`, root);
  });
  label.append("Version ", select);
  const box = Object.assign(document.createElement("nav"), {className: "versions", ariaLabel: "Versions"});
  box.append(label);
  sidebar.querySelector(".sidebar-primary-item")?.after(box);
});

// The theme opens solutions for printing; code that is folded is opened here. Paper is white.
const closed = new Set();
let theme;
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach(box => { closed.add(box); box.open = true; });
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  closed.forEach(box => box.open = false);
  closed.clear();
  document.documentElement.dataset.theme = theme;
});
