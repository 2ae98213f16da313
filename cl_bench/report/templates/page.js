"use strict";

// Tables: a button in a heading sorts by its column, once more turns the order; what is no number comes last.
function sort(button) {
  const heading = button.closest("th"), table = heading.closest("table");
  const direction = heading.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  const sign = direction === "ascending" ? 1 : -1, column = heading.cellIndex;
  const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = (first, second) => {
    const a = Number(value(first)), b = Number(value(second));
    if (heading.classList.contains("number")) return (isNaN(a) - isNaN(b)) || sign * (a - b) || 0;
    return sign * value(first).localeCompare(value(second), "en", { numeric: true });
  };
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

for (const button of document.querySelectorAll("th .sort")) button.addEventListener("click", () => sort(button));

// Columns: what is chosen is shown by the style sheet alone; a narrow window begins with fewer.
const narrow = matchMedia("(max-width: 40rem)");

function fewer() {
  for (const box of document.querySelectorAll("#columns [data-wide]")) box.checked = !narrow.matches;
}

narrow.addEventListener("change", fewer);
fewer();

// Navigation: the link of the section that is read is marked, and named in the bar.
const menu = document.getElementById("contents");
const links = new Map([...menu.querySelectorAll("a[href^='#']")].map(link => [link.hash.slice(1), link]));

function mark() {
  const line = innerHeight / 4, end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const places = [...links.keys()].map(name => document.getElementById(name)).filter(Boolean);
  const read = places.filter(place => place.getBoundingClientRect().top <= line);
  const link = links.get(((end ? places : read).at(-1) ?? places[0]).id);
  if (link.ariaCurrent) return;
  for (const other of links.values()) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  document.getElementById("where").textContent = link.textContent;
  if (menu.scrollHeight > menu.clientHeight) menu.scrollTop = link.offsetTop - menu.clientHeight / 2;
}

let waiting = 0;
addEventListener("scroll", () => { waiting ||= requestAnimationFrame(() => { waiting = 0; mark(); }); }, { passive: true });
menu.addEventListener("click", event => { if (event.target.closest("a")) menu.hidePopover?.(); });
mark();

// Curves: Plotly draws those traces whose method, task and seed are all chosen.
const dark = matchMedia("(prefers-color-scheme: dark)");

// As high as the table that it stands beside, within bounds.
function height(section, least) {
  const table = section.previousElementSibling, beside = table && table.offsetTop === section.offsetTop;
  return beside ? Math.max(least, Math.min(460, table.offsetHeight - 60)) : least;
}

// The text of what packed.py packed.
async function unpacked(script) {
  const bytes = Uint8Array.from(atob(script.textContent.trim()), character => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function draw(section, curves) {
  const chosen = new Set([...section.querySelectorAll("input:checked")].map(box => box.name + "=" + box.value));
  const traces = curves.traces
    .filter(trace => Object.entries(trace.meta).every(([name, value]) => chosen.has(name + "=" + value)))
    .map(trace => {
      const color = curves.colors[trace.meta.method][dark.matches ? 1 : 0];
      const marker = trace.marker && { ...trace.marker, color };
      return { ...trace, line: { ...trace.line, color }, ...(marker && { marker }), ...(trace.fill && { fillcolor: color }) };
    });
  const style = getComputedStyle(document.body), grid = style.getPropertyValue("--line");
  const axis = { gridcolor: grid, linecolor: grid };
  const layout = {
    ...curves.layout, height: height(section, curves.layout.height), paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: style.color, family: style.fontFamily },
    xaxis: { ...curves.layout.xaxis, ...axis }, yaxis: { ...curves.layout.yaxis, ...axis },
  };
  Plotly.react(section.querySelector(".plot"), traces, layout, { displayModeBar: false });
}

async function start() {
  const sections = [...document.querySelectorAll(".curves")], packed = document.getElementById("plotly");
  if (!packed) return;
  const script = document.createElement("script");
  script.textContent = await unpacked(packed);
  document.head.append(script);
  const sized = new ResizeObserver(entries => {
    for (const { target, contentRect } of entries) {
      if (Math.abs(contentRect.width - target._fullLayout.width) > 1) Plotly.Plots.resize(target);
    }
  });
  for (const section of sections) {
    const plot = section.querySelector(".plot"), curves = JSON.parse(await unpacked(section.querySelector(".packed")));
    plot.replaceChildren();
    section.addEventListener("change", () => draw(section, curves));
    dark.addEventListener("change", () => draw(section, curves));
    draw(section, curves);
    sized.observe(plot);
  }
  document.documentElement.dataset.ready = "yes";
}

start();
