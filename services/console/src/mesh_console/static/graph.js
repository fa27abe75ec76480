// Draws graphs that the page carries as JSON; dagre says where everything goes.
import dagre from "/static/dagre.esm.js";

const SVG = "http://www.w3.org/2000/svg";
const ICONS = { good: "✓", bad: "✕", busy: "●", wait: "◔", calm: "·" };
const HEIGHT = 46;

export function draw(places) {
  for (const place of places) place.replaceChildren(picture(JSON.parse(place.dataset.graph), place));
}

function picture({ nodes, edges }, place) {
  const graph = new dagre.graphlib.Graph();
  const isNarrow = place.clientWidth < 480;
  graph.setGraph({ rankdir: isNarrow ? "TB" : "LR", nodesep: 18, ranksep: 46, marginx: 6, marginy: 6 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { ...node, width: width(node), height: HEIGHT });
  for (const [from, to] of edges) graph.setEdge(from, to);
  dagre.layout(graph);
  const size = graph.graph();
  const svg = made("svg", { viewBox: `0 0 ${size.width} ${size.height}`, width: size.width, height: size.height });
  svg.append(arrow());
  for (const edge of graph.edges()) svg.append(line(graph.edge(edge).points));
  for (const id of graph.nodes()) svg.append(box(graph.node(id)));
  return svg;
}

function width({ label, note }) {
  return Math.min(Math.max(label.length * 8 + 44, note.length * 7 + 28, 96), 260);
}

function arrow() {
  const marker = made("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" });
  marker.append(made("path", { d: "M0 0 8 4 0 8Z" }));
  const defs = made("defs", {});
  defs.append(marker);
  return defs;
}

function line(points) {
  const way = points.map(({ x, y }) => `${x} ${y}`).join(" L");
  return made("path", { class: "edge", d: `M${way}`, "marker-end": "url(#arrow)" });
}

function box(node) {
  const link = made("a", { class: `node ${node.tone}`, href: node.href });
  const left = node.x - node.width / 2;
  const top = node.y - HEIGHT / 2;
  const name = text(`${ICONS[node.tone]} ${cut(node.label)}`, left + 13, top + 20, "");
  const title = made("title", {});
  title.textContent = `${node.label}: ${node.note}`;
  link.append(title, made("rect", { x: left, y: top, width: node.width, height: HEIGHT, rx: 9 }), name);
  link.append(text(node.note, left + 13, top + 36, "note"));
  return link;
}

function cut(label) {
  return label.length > 26 ? `${label.slice(0, 25)}…` : label;
}

function text(content, x, y, kind) {
  const element = made("text", { x, y, class: kind });
  element.textContent = content;
  return element;
}

function made(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
