"use strict";

const TONES = ["#4f46e5", "#ec4899", "#f59e0b", "#10b981", "#0ea5e9"];
const get = (id) => document.getElementById(id);
const samples = [
  {
    title: "[[Ideas para el fin de semana||Ideas for the weekend]]",
    text: "[[Subir al faro antes de que salga el sol.\nProbar la receta de pan de la abuela.\nLlamar a Inés.||Walk up to the lighthouse before sunrise.\nTry grandmother’s bread.\nCall Inés.]]",
    tone: 0,
  },
  { title: "[[Libros pendientes||Books to read]]", text: "[[Pedro Páramo\nLa invención de Morel||Invisible Cities\nThe Left Hand of Darkness]]", tone: 2 },
  { title: "[[Lista de la compra||Shopping list]]", text: "[[Tomates, limones, albahaca, café||Tomatoes, lemons, basil, coffee]]", tone: 3 },
];
let notes = load();
let open = notes[0];

function load() {
  try {
    return JSON.parse(localStorage.getItem("notes")) ?? samples;
  } catch {
    return samples;
  }
}

function save() {
  localStorage.setItem("notes", JSON.stringify(notes));
  get("info").textContent = "[[Guardado||Saved]] ✓";
}

function showList() {
  const wanted = get("search").value.trim().toLowerCase();
  const found = notes.filter((note) => (note.title + " " + note.text).toLowerCase().includes(wanted));
  get("notes").replaceChildren(
    ...found.map((note) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.className = note === open ? "on" : "";
      button.style.setProperty("--tone", TONES[note.tone]);
      const [title, text] = [document.createElement("b"), document.createElement("small")];
      title.textContent = note.title || "[[Sin título||Untitled]]";
      text.textContent = note.text.split("\n")[0] || "…";
      button.append(title, text);
      button.addEventListener("click", () => show(note));
      item.append(button);
      return item;
    }),
  );
}

function words() {
  const count = open.text.split(/\s+/).filter(Boolean).length;
  get("info").textContent = count + " [[palabras||words]]";
}

function show(note) {
  open = note;
  get("page").style.visibility = note ? "visible" : "hidden";
  if (note) {
    get("title").value = note.title;
    get("text").value = note.text;
    get("page").style.setProperty("--tone", TONES[note.tone]);
    get("colours").replaceChildren(...TONES.map(colour));
    words();
  }
  showList();
}

function colour(tone, index) {
  const button = document.createElement("button");
  button.className = index === open.tone ? "on" : "";
  button.style.setProperty("--tone", tone);
  button.setAttribute("aria-label", "Color " + (index + 1));
  button.addEventListener("click", () => {
    open.tone = index;
    show(open);
    save();
  });
  return button;
}

for (const field of ["title", "text"]) {
  get(field).addEventListener("input", () => {
    open[field] = get(field).value;
    showList();
    save();
  });
}
get("search").addEventListener("input", showList);
get("new").addEventListener("click", () => {
  const note = { title: "", text: "", tone: notes.length % TONES.length };
  notes.unshift(note);
  show(note);
  save();
  get("title").focus();
});
get("remove").addEventListener("click", () => {
  notes = notes.filter((note) => note !== open);
  show(notes[0]);
  save();
});
show(open);
