// A form that came too late, or from a session before, was not done. What was typed into it waits in this tab
// until the same person is back at its page, and is there again. Secrets and hidden fields do not wait.

const PLACE = "sent";
const TYPED = "input:not([type=hidden], [type=password]), select, textarea";
const subject = document.querySelector("[data-subject]")?.dataset.subject;

function keep(sent) {
  sessionStorage.setItem(PLACE, JSON.stringify(sent));
}

function comeBack(sent) {
  const form = [...document.forms].find((each) => each.getAttribute("action") === sent.action);
  const isTheirs = sent.isUndone && sent.subject === subject;
  if (!isTheirs || form) sessionStorage.removeItem(PLACE);
  if (isTheirs && form) fill(form, sent.values);
}

function fill(form, values) {
  for (const [name, value] of values) {
    form.elements[name].value = value;
    if (value) form.elements[name].closest("details")?.setAttribute("open", "");
  }
  const told = document.createElement("p");
  told.className = "notice wait";
  told.role = "status";
  told.textContent = "This was not done when you sent it. What you typed is here again.";
  form.before(told);
}

const sent = JSON.parse(sessionStorage.getItem(PLACE));
if (sent && document.querySelector("[data-undone]")) keep({ ...sent, isUndone: true });
else if (sent && subject) comeBack(sent);

document.addEventListener("submit", ({ target: form }) => {
  if (!subject || form.method !== "post") return;
  const values = [...form.querySelectorAll(TYPED)].map(({ name, value }) => [name, value]);
  if (values.length) keep({ subject, action: form.getAttribute("action"), values });
});
