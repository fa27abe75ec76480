// Behaviour that HTML has not: the theme, copying, and what other modules of ours add when wanted.

import "/static/forms.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("themeSwitch" in button.dataset) switchTheme();
  if ("copyBefore" in button.dataset) {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  }
});

function switchTheme() {
  const root = document.documentElement;
  const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

async function enrich(root) {
  const graphs = root.querySelectorAll("[data-graph]");
  if (graphs.length) (await import("/static/graph.js")).draw(graphs);
  const log = root.querySelector("[data-events]");
  if (log) (await import("/static/events.js")).watch(log);
}

enrich(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) enrich(event.target.parentNode ?? event.target);
});
const signing = document.querySelector("form[data-wallet]");
if (signing) (await import("/static/wallet.js")).offer(signing);
const left = document.querySelector("[data-left]");
if (left) (await import("/static/session.js")).keep(left);
