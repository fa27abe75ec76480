// Who is at work has their session renewed; to whom that is not done its end is told, before it comes.

const AGAIN_MS = 30_000;
const LOOK_MS = 1000;
const WORK = ["click", "keydown", "pointermove", "scroll", "input"];

export function keep(notice) {
  let end;
  let askedAt = 0;

  function lasts(seconds) {
    end = Date.now() + seconds * 1000; // not the time of day, as clocks of others are wrong
    look();
  }

  function left() {
    return (end - Date.now()) / 1000;
  }

  function look() {
    notice.hidden = left() > Number(notice.dataset.warned);
  }

  async function work() {
    if (left() > Number(notice.dataset.due) || Date.now() - askedAt < AGAIN_MS) return;
    askedAt = Date.now();
    const csrf = document.querySelector("form[action='/logout'] [name=csrf]").value;
    const answer = await fetch("/session", { method: "POST", body: new URLSearchParams({ csrf }), redirect: "manual" });
    if (!answer.ok) return;
    const { left_s, until } = await answer.json();
    notice.querySelector("time").textContent = until;
    lasts(left_s);
  }

  lasts(Number(notice.dataset.left));
  setInterval(look, LOOK_MS);
  for (const act of WORK) addEventListener(act, work, { passive: true });
}
