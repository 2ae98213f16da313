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

for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sort(button));

// Curves: Plotly draws those traces whose method, task and seed are all chosen.
const dark = matchMedia("(prefers-color-scheme: dark)");

function draw(section) {
  const curves = JSON.parse(section.querySelector("script[type='application/json']").textContent);
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
    ...curves.layout, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: style.color, family: style.fontFamily },
    xaxis: { ...curves.layout.xaxis, ...axis }, yaxis: { ...curves.layout.yaxis, ...axis },
  };
  Plotly.react(section.querySelector(".plot"), traces, layout, { responsive: true, displayModeBar: false });
}

async function start() {
  const sections = [...document.querySelectorAll(".curves")], packed = document.getElementById("plotly");
  if (!packed) return;
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  for (const section of sections) {
    section.querySelector(".plot").replaceChildren();
    section.addEventListener("change", () => draw(section));
    draw(section);
  }
  dark.addEventListener("change", () => sections.forEach(draw));
  document.documentElement.dataset.ready = "yes";
}

start();
