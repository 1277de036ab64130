// The number pad fills the field; without this file the keyboard does.
"use strict";

const field = document.getElementById("pin");
for (const key of document.querySelectorAll(".pad button[type=button]")) {
  key.addEventListener("click", () => {
    if (key.value === "") field.value = field.value.slice(0, -1);
    else if (field.value.length < field.maxLength) field.value += key.value;
  });
}
let sent = false;
document.querySelector(".pad").addEventListener("submit", (event) => {
  if (sent) event.preventDefault(); // a bounce is not a second guess
  sent = true;
});
document.addEventListener("contextmenu", (event) => event.preventDefault());
