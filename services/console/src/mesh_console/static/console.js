// Behaviour that HTML has not: the theme, copying, a wallet, and what other modules of ours add when wanted.

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

function offerWallet(form) {
  const button = form.querySelector("[data-sign]");
  if (!window.ethereum) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const message = form.querySelector("[data-message]");
    await window.ethereum.request({ method: "eth_requestAccounts" });
    const bytes = new TextEncoder().encode(message.textContent);
    const hex = "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    form.elements.signature.value = await window.ethereum.request({
      method: "personal_sign",
      params: [hex, message.dataset.owner],
    });
  });
}

async function enrich(root) {
  for (const form of root.querySelectorAll("form[data-wallet]")) offerWallet(form);
  const graphs = root.querySelectorAll("[data-graph]");
  if (graphs.length) (await import("/static/graph.js")).draw(graphs);
  const log = root.querySelector("[data-events]");
  if (log) (await import("/static/events.js")).watch(log);
}

enrich(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) enrich(event.target.parentNode ?? event.target);
});
const left = document.querySelector("[data-left]");
if (left) (await import("/static/session.js")).keep(left);
