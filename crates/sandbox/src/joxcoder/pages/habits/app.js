"use strict";

const ICONS = {
  book: "M4 5h5a3 3 0 0 1 3 3v11a3 3 0 0 0-3-2H4zM20 5h-5a3 3 0 0 0-3 3v11a3 3 0 0 1 3-2h5z",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  drop: "M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z",
  star: "M12 4l2.5 5 5.5.8-4 3.9.9 5.5-4.9-2.6-4.9 2.6.9-5.5-4-3.9 5.5-.8z",
  leaf: "M5 21c0-9 5-15 15-16 0 10-5 15-12 14M8 19c1-4 4-7 8-9",
};
const get = (id) => document.getElementById(id);
const day = (back) => {
  const date = new Date();
  date.setDate(date.getDate() - back);
  return date;
};
const key = (date) => date.toLocaleDateString("sv");
const samples = [
  { icon: "book", name: "[[Leer diez páginas||Read ten pages]]", days: [1, 2, 3, 5].map((back) => key(day(back))) },
  { icon: "drop", name: "[[Beber agua||Drink water]]", days: [0, 1, 2, 3, 4].map((back) => key(day(back))) },
  { icon: "bolt", name: "[[Salir a correr||Go for a run]]", days: [2, 4].map((back) => key(day(back))) },
];
let habits = load();
let icon = "star";

function load() {
  try {
    return JSON.parse(localStorage.getItem("habits")) ?? samples;
  } catch {
    return samples;
  }
}

const drawing = (name) => `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name] ?? ICONS.star}"/></svg>`;

function row(habit) {
  const today = key(day(0));
  const item = document.createElement("li");
  const button = document.createElement("button");
  const done = habit.days.includes(today);
  button.className = done ? "done" : "";
  button.setAttribute("aria-pressed", String(done));
  button.innerHTML = '<span class="icon"></span><span><b></b><small></small></span><span class="tick">✓</span>';
  button.querySelector(".icon").innerHTML = drawing(habit.icon);
  button.querySelector("b").textContent = habit.name;
  button.querySelector("small").textContent = habit.days.length + " [[veces||times]]";
  button.addEventListener("click", () => {
    habit.days = done ? habit.days.filter((other) => other !== today) : [...habit.days, today];
    show();
  });
  item.append(button);
  return item;
}

function share(date) {
  const done = habits.filter((habit) => habit.days.includes(key(date))).length;
  return habits.length ? done / habits.length : 0;
}

function week() {
  return Array.from({ length: 7 }, (_, index) => {
    const date = day(6 - index);
    const box = document.createElement("div");
    box.className = index === 6 ? "now" : "";
    const ring = document.createElement("i");
    ring.style.setProperty("--part", share(date) * 100 + "%");
    ring.textContent = date.getDate();
    box.append(date.toLocaleDateString("{{lang}}", { weekday: "narrow" }), ring);
    return box;
  });
}

function show() {
  localStorage.setItem("habits", JSON.stringify(habits));
  get("habits").replaceChildren(...habits.map(row));
  get("week").replaceChildren(...week());
  let streak = share(day(0)) ? 1 : 0;
  while (share(day(streak || 1)) && streak < 365) streak += 1;
  get("streak").textContent = streak;
}

function tab(name) {
  for (const section of ["today", "add"]) get(section).hidden = section !== name;
  document.querySelectorAll("[data-tab]").forEach((button) => button.classList.toggle("on", button.dataset.tab === name));
}

function showIcons() {
  get("icons").replaceChildren(
    ...Object.keys(ICONS).map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.innerHTML = drawing(choice);
      button.setAttribute("aria-label", choice);
      button.className = choice === icon ? "on" : "";
      button.addEventListener("click", () => {
        icon = choice;
        showIcons();
      });
      return button;
    }),
  );
}

document.querySelectorAll("[data-tab]").forEach((button) => button.addEventListener("click", () => tab(button.dataset.tab)));
get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = get("name").value.trim();
  if (!name) return;
  habits.push({ icon, name, days: [] });
  get("name").value = "";
  tab("today");
  show();
});
get("date").textContent = new Date().toLocaleDateString("{{lang}}", { weekday: "long", day: "numeric", month: "long" });
showIcons();
show();
