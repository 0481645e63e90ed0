"use strict";

document.getElementById("year").textContent = new Date().getFullYear();

const form = document.getElementById("join-form");
const note = document.getElementById("join-note");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const email = form.elements.email;
  if (!email.value || !email.checkValidity()) {
    note.textContent = "[[Ese correo no parece completo. ¿Lo revisas?||That e-mail looks incomplete. Could you check it?]]";
    email.focus();
    return;
  }
  note.textContent = "[[¡Gracias! Te escribiremos pronto.||Thank you! You will hear from us soon.]]";
  form.reset();
});

function countUp(element) {
  const goal = Number(element.dataset.count);
  const begun = performance.now();
  const step = (now) => {
    const share = Math.min(1, (now - begun) / 900);
    element.textContent = Math.round(goal * (1 - (1 - share) ** 3)).toLocaleString("{{lang}}");
    if (share < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    countUp(entry.target);
  }
});
document.querySelectorAll("[data-count]").forEach((number) => seen.observe(number));
