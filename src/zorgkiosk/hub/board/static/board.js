// Replaces the content every two seconds, and only when it differs. When nothing new comes for ten seconds the numbers
// are hidden: an old number is never shown as if it were still true.
"use strict";

const EVERY_MS = 2000;
const GIVE_UP_MS = 4000;
const STALE_MS = 10000;

const content = document.getElementById("content");
const alarmText = document.getElementById("alarm-text");
const words = document.body.dataset;
const address = words.content;

let shown = "";
let heardClock = document.body.classList.contains("stale") ? null : clock();
let heardTick = performance.now();

function clock() {
  return new Date().toLocaleTimeString("nl-NL", { hour: "2-digit", minute: "2-digit" });
}

async function refresh() {
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (text !== shown) content.innerHTML = shown = text;
    heardTick = performance.now();
    heardClock = clock();
    document.body.classList.remove("stale");
  } catch {
    if (performance.now() - heardTick > STALE_MS) {
      const since = heardClock === null ? "" : ` ${words.since} ${heardClock}`;
      alarmText.textContent = `${words.silent}${since}. ${words.hidden}`;
      document.body.classList.add("stale");
    }
  }
  setTimeout(refresh, EVERY_MS);
}

setTimeout(refresh, EVERY_MS);
