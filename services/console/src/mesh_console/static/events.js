// The tail of all event logs. The browser's own EventSource says how far it has come when it reconnects; when
// it gives up, which it does after an answer that is no stream, a new one goes on from the same place.

const MOST = 500;
const AGAIN_MS = 1000;

export function watch(log) {
  const light = document.querySelector("[data-light]");
  const pause = document.querySelector("[data-pause]");
  const filters = document.querySelectorAll("[data-filter]");
  const held = [];
  let after = log.dataset.after;
  let isPaused = false;
  let source;

  function open() {
    source = new EventSource(`${log.dataset.events}?after=${encodeURIComponent(after)}`);
    source.addEventListener("open", () => show("good", "live"));
    source.addEventListener("error", () => {
      show("wait", "reconnecting");
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    });
    source.addEventListener("signed-out", () => {
      source.close();
      location.reload();
    });
    for (const option of filters[0].options) if (option.value) source.addEventListener(option.value, take);
  }

  function take(message) {
    after = message.lastEventId;
    const line = made(message.type, message.data);
    if (isPaused) {
      held.push(line);
      if (held.length > MOST) held.shift();
      pause.textContent = `Resume (${held.length})`;
    } else {
      put(line);
    }
  }

  function made(service, text) {
    const event = JSON.parse(text);
    const line = document.querySelector("template[data-event]").content.firstElementChild.cloneNode(true);
    const [time, from, type, subject, details] = line.children;
    time.dateTime = event.time;
    time.textContent = event.time.slice(11, 19);
    from.textContent = service;
    type.textContent = event.type;
    subject.textContent = event.subject ?? "";
    details.children[0].textContent = event.sequence;
    details.children[1].textContent = JSON.stringify(event, null, 2);
    line.dataset.service = service;
    line.dataset.sequence = event.sequence;
    line.dataset.words = [event.type, event.subject, event.traceparent].join(" ");
    return line;
  }

  function put(line) {
    line.hidden = !isWanted(line);
    log.prepend(line);
    while (log.children.length > MOST) log.lastElementChild.remove();
  }

  function isWanted(line) {
    const [service, words] = Array.from(filters, (filter) => filter.value.trim());
    return (!service || line.dataset.service === service) && line.dataset.words.includes(words);
  }

  function show(tone, text) {
    light.className = `state ${tone}`;
    light.children[0].textContent = tone === "good" ? "●" : "◔";
    light.children[1].textContent = text;
  }

  for (const filter of filters) {
    filter.addEventListener("input", () => {
      for (const line of log.children) line.hidden = !isWanted(line);
    });
  }
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) held.splice(0).forEach(put);
  });
  open();
}
