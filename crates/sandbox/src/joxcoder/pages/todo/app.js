"use strict";

const KEY = "tasks";
const samples = [
  { text: "[[Escribir la idea en una frase||Write the idea in one sentence]]", done: true },
  { text: "[[Pedir la primera versión||Ask for the first version]]", done: false },
  { text: "[[Enseñársela a alguien||Show it to somebody]]", done: false },
];

let tasks = load();
let filter = "all";
const list = document.getElementById("tasks");
const input = document.getElementById("new-task");

function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? samples;
  } catch {
    return samples;
  }
}

function save() {
  localStorage.setItem(KEY, JSON.stringify(tasks));
  show();
}

function item(task) {
  const li = document.createElement("li");
  li.className = task.done ? "done" : "";
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = task.done;
  box.addEventListener("change", () => {
    task.done = box.checked;
    save();
  });
  const text = document.createElement("span");
  text.textContent = task.text;
  label.append(box, text);
  const remove = document.createElement("button");
  remove.textContent = "×";
  remove.setAttribute("aria-label", "[[Quitar||Remove]]: " + task.text);
  remove.addEventListener("click", () => {
    tasks = tasks.filter((other) => other !== task);
    save();
  });
  li.append(label, remove);
  return li;
}

function show() {
  const shown = tasks.filter((task) => filter === "all" || task.done === (filter === "done"));
  list.replaceChildren(...shown.map(item));
  const done = tasks.filter((task) => task.done).length;
  const percent = tasks.length ? Math.round((100 * done) / tasks.length) : 0;
  document.getElementById("ring").style.strokeDasharray = percent + " 100";
  document.getElementById("percent").textContent = percent + "%";
  document.getElementById("summary").textContent = done + " [[de||of]] " + tasks.length + " [[hechas||done]]";
  document.getElementById("empty").hidden = shown.length > 0;
}

document.getElementById("task-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  tasks.unshift({ text, done: false });
  input.value = "";
  save();
});

document.querySelectorAll("[data-filter]").forEach((button) => {
  button.addEventListener("click", () => {
    filter = button.dataset.filter;
    document.querySelectorAll("[data-filter]").forEach((other) => {
      other.setAttribute("aria-pressed", String(other === button));
    });
    show();
  });
});

document.getElementById("clear").addEventListener("click", () => {
  tasks = tasks.filter((task) => !task.done);
  save();
});

document.getElementById("date").textContent = new Date().toLocaleDateString("{{lang}}", {
  weekday: "long",
  day: "numeric",
  month: "long",
});
show();
