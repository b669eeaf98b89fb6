// The little the panel does by itself: tick a whole page of a list, and show how many are ticked.
"use strict";

function showCount(form) {
  const whole = form.querySelector("input[data-pick-whole]:checked");
  const ticked = form.querySelectorAll("input[data-pick]:checked").length;
  const count = whole ? Number(whole.dataset.pickWhole) : ticked;
  for (const place of form.querySelectorAll("[data-count]")) place.textContent = count;
  for (const button of form.querySelectorAll("button[data-needs-pick]")) button.disabled = count === 0;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-picks]");
  if (!form) return;
  if (event.target.matches("[data-pick-all]")) {
    for (const box of form.querySelectorAll("input[data-pick]")) box.checked = event.target.checked;
  }
  showCount(form);
});

function showCounts() {
  for (const form of document.querySelectorAll("form[data-picks]")) showCount(form);
}

document.addEventListener("DOMContentLoaded", showCounts);
document.addEventListener("htmx:afterSettle", showCounts);
