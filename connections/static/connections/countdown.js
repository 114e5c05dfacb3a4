// Counts the seconds down until the browser asks again by itself, which the answer's header tells it to.
const shown = document.querySelector("[data-countdown]");
const end = Date.now() + Number(shown.dataset.countdown) * 1000;

function show() {
  const left = Math.max(0, Math.round((end - Date.now()) / 1000));
  shown.textContent = left < 120 ? `${left} second${left === 1 ? "" : "s"}` : `${Math.ceil(left / 60)} minutes`;
}

setInterval(show, 1000);
