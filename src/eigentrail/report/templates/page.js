"use strict";
// The page's only script: it unpacks figures when they are looked at, sorts and filters the table, opens matrices, explains numbers.
(() => {
  const $ = (id) => document.getElementById(id);
  const facts = JSON.parse($("facts").textContent);
  const root = document.documentElement;

  // ---- packed pieces -------------------------------------------------------------------------------------------
  const unpacked = new Map();

  async function unpack(element) {
    const binary = atob(element.textContent.trim());
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function chunk(number) {
    if (!unpacked.has(number)) {
      if (unpacked.size > 12) unpacked.delete([...unpacked.keys()].find((k) => k !== 0));
      unpacked.set(number, unpack($(`chunk-${number}`)).then(JSON.parse));
    }
    return unpacked.get(number);
  }

  const piece = async (key) => (await chunk(facts.where[key]))[key];

  let plotlyReady = null;
  function plotly() {
    plotlyReady ??= unpack($("plotly")).then((source) => {
      const script = document.createElement("script");
      script.textContent = source; // its hash is in the content security policy
      document.head.append(script);
      return window.Plotly;
    });
    return plotlyReady;
  }

  function trouble(error) {
    const box = $("trouble");
    box.textContent = typeof DecompressionStream === "undefined"
      ? "Figures need a browser of 2023 or later; the numbers below do not."
      : `Something on this page did not work: ${error.message}`;
    box.hidden = false;
    console.error(error);
  }

  // ---- figures -------------------------------------------------------------------------------------------------
  const theme = () => root.dataset.theme;
  const drawn = new Map(); // <figure> -> piece

  function themed(plot) {
    const layout = structuredClone(plot.figure.layout);
    layout.template = facts.templates[theme()];
    return layout;
  }

  function paint(element, plot, Plotly) {
    if (drawn.has(element) || !element.isConnected) return;
    drawn.set(element, plot);
    const canvas = element.querySelector(".canvas");
    const layout = themed(plot);
    if (layout.height) canvas.style.height = `${layout.height}px`;
    delete layout.height;
    const config = {
      responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: plot.file },
    };
    const figure = { data: structuredClone(plot.figure.data), layout, config, frames: plot.figure.frames };
    Plotly.newPlot(canvas, figure).then(() => {
      canvas.on("plotly_afterplot", () => scalable(canvas));
      scalable(canvas);
      if (layout.meta?.opens === "layer") {
        canvas.on("plotly_click", (event) => {
          const row = event.points[0].customdata?.[0];
          if (Number.isInteger(row)) location.hash = `layer-${row + 1}`;
        });
      }
    });
  }

  // With a view box the pictures can shrink to the paper.
  function scalable(canvas) {
    for (const svg of canvas.querySelectorAll("svg.main-svg")) {
      const width = svg.getAttribute("width"), height = svg.getAttribute("height");
      if (!width || !height) continue;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      canvas.style.setProperty("--shape", `${width / height}`);
    }
  }

  async function draw(element) {
    const [plot, Plotly] = await Promise.all([piece(element.dataset.plot), plotly()]);
    paint(element, plot, Plotly);
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      draw(entry.target).catch(trouble);
    }
  }, { rootMargin: "150px" });

  const watch = (within) => within.querySelectorAll("figure.plot").forEach((f) => seen.observe(f));

  function forget(within) {
    for (const element of within.querySelectorAll("figure.plot")) {
      seen.unobserve(element);
      if (drawn.delete(element)) window.Plotly.purge(element.querySelector(".canvas"));
    }
  }

  const shown = () => [...document.querySelectorAll("figure.plot")].filter((f) => f.offsetParent !== null);

  async function drawAll() {
    await Promise.all(shown().map(draw));
  }

  // The browser's own print command leaves no time to unpack; what is unpacked already can still be drawn.
  const resolved = new Map();
  async function prepare(within) {
    for (const f of within.querySelectorAll("figure.plot")) resolved.set(f.dataset.plot, await piece(f.dataset.plot));
  }
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    if (!window.Plotly) return;
    for (const f of shown()) if (resolved.has(f.dataset.plot)) paint(f, resolved.get(f.dataset.plot), window.Plotly);
  });

  // ---- light and dark ------------------------------------------------------------------------------------------
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("eigentrail-theme"); } catch { /* storage may be closed to files */ }

  function applyTheme() {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    $("theme").textContent = theme() === "dark" ? "Light" : "Dark";
    for (const [element, plot] of drawn) {
      const canvas = element.querySelector(".canvas");
      const layout = themed(plot);
      delete layout.height;
      window.Plotly.react(canvas, canvas.data, { ...canvas.layout, template: layout.template });
    }
  }
  system.addEventListener("change", applyTheme);
  $("theme").addEventListener("click", () => {
    chosen = theme() === "dark" ? "light" : "dark";
    try { localStorage.setItem("eigentrail-theme", chosen); } catch { /* see above */ }
    applyTheme();
  });
  applyTheme();

  // ---- downloads -----------------------------------------------------------------------------------------------
  function save(name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const quoted = (v) => (v === null ? "" : /[",\n\r]/.test(String(v)) ? `"${String(v).replaceAll('"', '""')}"` : String(v));

  async function saveData(element) {
    const { columns, values, file } = await piece(`${element.dataset.plot}-data`);
    const rows = values[0].map((_, i) => values.map((column) => quoted(column[i])).join(","));
    save(file, `${[columns.map(quoted).join(","), ...rows].join("\n")}\n`);
  }

  // ---- the table -----------------------------------------------------------------------------------------------
  const table = $("data");
  let sorting = { column: null, direction: 1 };
  const rowsOf = () => [...table.tBodies[0].rows];

  function sortBy(head, data) {
    const column = Number(head.dataset.column);
    const key = data.columns[column].key;
    const textual = data.raw.every((r) => r[column] === null || typeof r[column] === "string");
    const first = textual ? 1 : -1; // numbers start with the largest
    sorting = { column: key, direction: sorting.column === key ? -sorting.direction : first };
    const rows = rowsOf().map((row) => [data.raw[row.dataset.row][column], row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is missing stays last
      return (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })) * sorting.direction;
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
    for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sorting.direction > 0 ? "ascending" : "descending");
  }

  function filter(data) {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const choices = [...document.querySelectorAll("select.choice")].filter((s) => s.value)
      .map((s) => [data.columns.findIndex((c) => c.key === s.dataset.column), s.value]);
    let count = 0;
    for (const row of rowsOf()) {
      const cells = data.cells[row.dataset.row];
      const text = cells.join("\n").toLowerCase();
      row.hidden = !(words.every((w) => text.includes(w)) && choices.every(([c, v]) => cells[c] === v));
      count += !row.hidden;
    }
    $("count").textContent = `${count} of ${data.cells.length} matrices`;
  }

  let essentials = null;
  function showColumns(data, group) {
    const heads = table.tHead.rows[0];
    essentials ??= [...heads.cells].map((h) => Number(h.dataset.column));
    const name = data.columns.findIndex((c) => c.key === "name");
    const wanted = group === "" ? essentials
      : [name, ...data.columns.keys()].filter((c, i) => i === 0 || (c !== name && (group === "*" || data.columns[c].group === group)));
    table.classList.toggle("many", wanted.length > 18);
    heads.replaceChildren(...wanted.map((c) => {
      const head = document.createElement("th");
      head.scope = "col";
      head.dataset.column = c;
      head.dataset.term = data.columns[c].key;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = data.columns[c].label;
      head.append(button);
      if (data.columns[c].key === sorting.column) head.setAttribute("aria-sort", sorting.direction > 0 ? "ascending" : "descending");
      return head;
    }));
    for (const row of rowsOf()) {
      const texts = data.cells[row.dataset.row];
      const cells = wanted.slice(1).map((c) => {
        const cell = document.createElement("td");
        cell.className = `c-${data.columns[c].key}`;
        cell.textContent = texts[c];
        if (data.raw[row.dataset.row][c] === null) {
          const why = facts.glossary[data.columns[c].key]?.absent || data.why[row.dataset.row] || "not computed for this matrix";
          cell.dataset.why = why;
        }
        return cell;
      });
      row.replaceChildren(row.cells[0], ...cells);
    }
  }

  function keysInTable(event) {
    const cell = event.target.closest("th, td");
    const row = cell?.parentElement;
    if (!row || row.parentElement !== table.tBodies[0]) return;
    const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    let target = null;
    if (event.key === "Enter" && cell.tagName === "TD") location.hash = `layer-${Number(row.dataset.row) + 1}`;
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") target = row.cells[cell.cellIndex + step];
    else if (step) {
      const rows = rowsOf().filter((r) => !r.hidden);
      target = rows[rows.indexOf(row) + step]?.cells[cell.cellIndex];
    }
    if (!target) return;
    event.preventDefault();
    event.stopPropagation();
    const inner = target.querySelector("a");
    if (!inner) target.tabIndex = -1;
    (inner ?? target).focus();
  }

  if (table) {
    const data = () => piece("table");
    table.tHead.addEventListener("click", async (event) => {
      const head = event.target.closest("th");
      if (head && event.target.closest("button")) sortBy(head, await data());
    });
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !event.target.closest("a") && !String(getSelection())) location.hash = `layer-${Number(row.dataset.row) + 1}`;
    });
    table.addEventListener("keydown", keysInTable);
    $("filter").addEventListener("input", async () => filter(await data()));
    document.querySelectorAll("select.choice").forEach((s) => s.addEventListener("change", async () => filter(await data())));
    $("columns").addEventListener("change", async (event) => showColumns(await data(), event.target.value));
    $("table-csv").addEventListener("click", async () => {
      const { file, text } = await piece("table-csv");
      save(file, text);
    });
    data().then(filter).catch(trouble);
  }

  // ---- one matrix at a time ------------------------------------------------------------------------------------
  let open = null, scrolled = 0, returnTo = null;

  // The neighbours are those of the table as it is sorted and filtered now.
  function order() {
    const visible = table ? rowsOf().filter((r) => !r.hidden).map((r) => Number(r.dataset.row)) : [];
    return visible.includes(open) ? visible : [...Array(facts.entries).keys()];
  }

  async function show(number) {
    if (open === null) { scrolled = window.scrollY; returnTo = document.activeElement; }
    open = number;
    const { html } = await piece(`entry-${number}`);
    if (open !== number) return;
    const entry = $("entry");
    forget(entry);
    entry.innerHTML = html; // escaped when the page was made; the policy lets no script in besides
    $("overview-page").hidden = true;
    $("deck").hidden = false;
    const list = order(), at = list.indexOf(number);
    $("position").textContent = `${at + 1} of ${list.length}`;
    $("previous").disabled = at === 0;
    $("next").disabled = at === list.length - 1;
    window.scrollTo({ top: 0, behavior: "instant" });
    entry.querySelector("h2").focus({ preventScroll: true });
    resolved.clear();
    watch(entry);
    await prepare(entry);
  }

  function close() {
    if (open === null) return;
    forget($("entry"));
    $("entry").replaceChildren();
    open = null;
    $("deck").hidden = true;
    $("overview-page").hidden = false;
    window.scrollTo({ top: scrolled, behavior: "instant" });
    returnTo?.focus?.({ preventScroll: true });
  }

  function go(step) {
    const list = order(), target = list[list.indexOf(open) + step];
    if (target !== undefined) location.hash = `layer-${target + 1}`;
  }

  function route() {
    const match = /^#layer-(\d+)$/.exec(location.hash);
    const number = match ? Number(match[1]) - 1 : -1;
    if (number >= 0 && number < facts.entries) { show(number).catch(trouble); return; }
    close();
    const target = location.hash.length > 1 ? $(location.hash.slice(1)) : null;
    const folded = target?.querySelector(":scope > details");
    if (folded) folded.open = true;
    if (target?.closest("#overview-page")) target.scrollIntoView();
  }
  window.addEventListener("hashchange", route);
  const back = (event) => {
    event?.preventDefault();
    history.pushState(null, "", location.href.split("#")[0]);
    close();
  };
  if ($("deck")) {
    $("back").addEventListener("click", back);
    $("previous").addEventListener("click", () => go(-1));
    $("next").addEventListener("click", () => go(1));
    window.addEventListener("popstate", () => { if (!location.hash) close(); });
  }

  // ---- explanations --------------------------------------------------------------------------------------------
  const tip = $("tooltip");
  let explained = null;

  function line(label, text) {
    const p = document.createElement("p");
    const span = document.createElement("span");
    span.textContent = `${label}: `;
    p.append(span, text);
    return p;
  }

  function termOf(element) {
    if (element.dataset.term) return element.dataset.term;
    const cell = element.closest("td, th");
    return cell && table?.contains(cell) ? table.tHead.rows[0].cells[cell.cellIndex]?.dataset.term : undefined;
  }

  function explain(element) {
    const entry = facts.glossary[termOf(element)];
    if (!entry?.definition && !element.dataset.why) return hush();
    const title = document.createElement("b");
    title.textContent = entry?.label ?? "";
    const parts = [title, entry?.definition ?? ""];
    if (element.dataset.why) parts.push(line("Here", element.dataset.why));
    if (entry?.units) parts.push(line("Convention", entry.units));
    if (entry?.chance) parts.push(line("Chance", entry.chance));
    if (entry?.source) parts.push(line("Source", entry.source));
    tip.replaceChildren(...parts);
    tip.hidden = false;
    explained?.removeAttribute("aria-describedby");
    explained = element;
    element.setAttribute("aria-describedby", "tooltip");
    const box = element.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const below = box.bottom + 8 + size.height < innerHeight;
    tip.style.top = `${Math.max(6, below ? box.bottom + 8 : box.top - size.height - 8)}px`;
    tip.style.left = `${Math.max(6, Math.min(box.left, innerWidth - size.width - 10))}px`;
  }

  function hush() {
    tip.hidden = true;
    explained?.removeAttribute("aria-describedby");
    explained = null;
  }

  const explainable = (target) => target.closest?.("[data-term], #data tbody td, [data-why]");
  let timer = 0;
  document.addEventListener("mouseover", (event) => {
    clearTimeout(timer);
    const element = explainable(event.target);
    if (element) timer = setTimeout(() => explain(element), 250);
    else if (explained) hush();
  });
  document.addEventListener("focusin", (event) => {
    const element = explainable(event.target);
    if (element && event.target.matches(":focus-visible")) explain(element);
    else hush();
  });
  window.addEventListener("scroll", hush, { passive: true });

  // ---- keys and buttons ----------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.csv");
    if (button) saveData(button.closest("figure")).catch(trouble);
  });
  $("print").addEventListener("click", () => drawAll().then(() => window.print()).catch(trouble));
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape") {
      const focused = explained !== null && explained === document.activeElement;
      hush();
      if (focused) return; // the explanation that was asked for by focus is closed first
      if (typing) event.target.blur();
      else if (open !== null) back();
    } else if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      // the browser's own keys
    } else if (event.key === "/" && table && open === null) {
      event.preventDefault();
      $("filter").focus();
    } else if (open !== null && event.key === "ArrowLeft") go(-1);
    else if (open !== null && event.key === "ArrowRight") go(1);
  });

  // ---- start ---------------------------------------------------------------------------------------------------
  watch($("overview-page"));
  prepare($("overview-page")).catch(trouble);
  route();
  (open === null ? Promise.all(shown().filter((f) => f.getBoundingClientRect().top < innerHeight).map(draw)) : plotly())
    .then(() => { root.dataset.ready = String(Math.round(performance.now())); })
    .catch(trouble);
})();
