// Back to the first page when nobody touches the screen, unless something can still be undone.
"use strict";

(() => {
  const afterMs = Number(document.body.dataset.homeAfterS) * 1000;
  let touchedAt = performance.now();
  let down = false;
  const touched = () => (touchedAt = performance.now());
  const lifted = () => {
    down = false;
    touched();
  };
  addEventListener("pointerdown", () => {
    down = true;
    touched();
  }, true);
  addEventListener("pointerup", lifted, true);
  addEventListener("pointercancel", lifted, true);
  addEventListener("keydown", touched, true);
  setInterval(() => {
    const screen = document.getElementById("screen");
    if (down || performance.now() - touchedAt < afterMs) return; // never under a finger
    if (screen.dataset.isHome === "yes" || screen.dataset.undo === "yes" || screen.classList.contains("stale")) return;
    touched();
    location.replace(document.body.dataset.home);
  }, 250);
})();

// A bounce must not press what stands on the next page where the key to it stood.
(() => {
  const DOUBLE_TAP_MS = 300;
  const NEAR_PX = 40;
  addEventListener("click", (event) => {
    const key = event.target.closest(".key");
    if (key === null) return;
    const [atMs, x, y] = JSON.parse(sessionStorage.getItem("left") ?? "[0, 0, 0]");
    const sinceMs = Date.now() - atMs;
    const near = Math.hypot(event.clientX - x, event.clientY - y) < NEAR_PX;
    if (near && sinceMs >= 0 && sinceMs < DOUBLE_TAP_MS) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (key.matches("a")) sessionStorage.setItem("left", JSON.stringify([Date.now(), event.clientX, event.clientY]));
  }, true);
})();
