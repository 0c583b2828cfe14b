// The search page: ranks by sphinx-searchlite's script, shows excerpts, and looks for the book's words, too, where a reader uses others.

addEventListener("load", async () => {
  const input = document.querySelector(".bd-search-container input[name=q]"), results = document.getElementById("search-results");
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  // Its index is here already; the script would fetch it, which a page opened from a folder may not.
  window.fetch = () => Promise.resolve({ok: true, json: () => window.searchRecords});
  const engine = SearchLite.create({url: new URL("_static/search-records.js", root).href});
  await engine.load();

  const status = Object.assign(document.createElement("p"), {role: "status"}), list = document.createElement("ul");
  results.replaceChildren(status, list);

  // The query, then the book's words for what stands in it.
  function find(query) {
    const words = query.toLowerCase(), found = new Map();
    const others = Object.keys(searchSynonyms).filter(term => new RegExp(`(^|\\W)${term}s?($|\\W)`).test(words));
    const add = (text, why) => {
      const {items, terms} = engine.search(text), phrase = text.toLowerCase();
      const whole = record => `${record.s || ""} ${record.x}`.toLowerCase().includes(phrase);  // all words, one after the other
      for (const record of [...items.filter(whole), ...items.filter(record => !whole(record))]) if (!found.has(record.u)) found.set(record.u, {record, terms, why});
    };
    const known = searchSynonyms[words];  // the query as a whole is another word for these
    if (!known) add(query, "");
    for (const term of others) for (const other of searchSynonyms[term]) add(other, other);
    if (known) add(query, "");
    return [...found.values()];
  }

  function show() {
    const query = input.value.trim(), found = query ? find(query) : [];
    const address = new URL(location.href);
    query ? address.searchParams.set("q", query) : address.searchParams.delete("q");
    history.replaceState(null, "", address);
    status.textContent = query ? `${found.length || "No"} place${found.length === 1 ? "" : "s"} found.` : "";
    list.replaceChildren(...found.map(({record, terms, why}) => {
      const item = document.createElement("li"), link = Object.assign(document.createElement("a"), {href: record.u});
      const text = document.createElement("p"), from = document.createElement("small");
      link.append(SearchLite.highlight(record.s || record.t, terms));
      from.textContent = (record.s ? ` ${record.t}` : "") + (why ? ` · for “${why}”` : "");
      text.append(SearchLite.highlight(SearchLite.excerpt(record, terms, 180), terms));
      item.append(link, from, text);
      return item;
    }));
  }

  input.value = new URLSearchParams(location.search).get("q") || "";
  input.addEventListener("input", show);
  input.form.addEventListener("submit", event => { event.preventDefault(); show(); });
  show();
});
