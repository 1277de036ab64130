// Keeps the screen live and sends taps without leaving the page. Everything also works without this file.
"use strict";

const DOUBLE_TAP_MS = 300; // bouncing or wet fingers
const SILENT_MS = 6000; // the server gives a sign of life every 2 s
const REOPEN_MS = 1000;

const body = document.body;
let shownAt = Number(body.dataset.at); // the boot's clock of the screen we show: an older one never replaces it
let heardAt = performance.now();
let lastTap = { key: "", at: -DOUBLE_TAP_MS };
let queue = Promise.resolve(); // taps reach the server in the order of the fingers
let serial = 0;
const page = crypto.getRandomValues(new Uint32Array(2)).join("-");

function show(html, at) {
  if (at < shownAt) return;
  shownAt = at;
  const box = document.createElement("template");
  box.innerHTML = html;
  become(document.getElementById("screen"), box.content.firstElementChild);
  chime();
}

// Once for each time the reminder calls, also when the page is opened anew in between.
function chime() {
  const count = document.getElementById("screen").dataset.chimes;
  if (count === sessionStorage.getItem("chimes")) return;
  sessionStorage.setItem("chimes", count);
  if (count !== "0") new Audio(body.dataset.chime).play().catch(() => {}); // a browser that wants a touch first
}

// Changes what is there instead of replacing it, so that a key under a finger stays that key.
function become(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const was = [...old.childNodes];
  const is = [...fresh.childNodes];
  is.forEach((child, index) => (index < was.length ? become(was[index], child) : old.append(child)));
  was.slice(is.length).forEach((child) => child.remove());
}

function say(sentence) {
  const line = document.getElementById("line");
  if (line === null) return;
  line.className = "alarm";
  line.querySelector("b").textContent = sentence;
  line.querySelector("small").textContent = "";
}

async function send(url, form) {
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body: form, headers: { "X-Panel": "live" } });
  } catch {
    say(body.dataset.unsaved);
    return;
  }
  const elsewhere = answer.headers.get("X-Go"); // the PIN comes first
  if (elsewhere !== null) {
    location.assign(elsewhere);
    return;
  }
  const text = await answer.text();
  const at = answer.headers.get("X-At");
  if (at === null) say(text.length < 120 ? text : body.dataset.failed);
  else show(text, Number(at));
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const key = `${event.target.action} ${event.submitter?.value ?? ""}`;
  const now = performance.now();
  if (key === lastTap.key && now - lastTap.at < DOUBLE_TAP_MS) return;
  lastTap = { key, at: now };
  const form = new URLSearchParams(new FormData(event.target, event.submitter));
  form.set("tap", `${page}-${++serial}`);
  const url = event.target.action;
  queue = queue.then(() => send(url, form));
});

function heard() {
  heardAt = performance.now();
}

function listen() {
  const source = new EventSource(body.dataset.live);
  source.onmessage = (event) => {
    heard();
    const picture = JSON.parse(event.data);
    show(picture.html, picture.at);
  };
  source.addEventListener("beat", heard);
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, REOPEN_MS);
  };
}

setInterval(() => {
  if (performance.now() - heardAt < SILENT_MS) return;
  document.getElementById("screen").classList.add("stale");
  say(body.dataset.silent);
}, 1000);

document.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press is a tap
chime();
listen();
