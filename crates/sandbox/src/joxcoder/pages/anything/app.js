"use strict";

// A picture of its own for every title: soft discs whose places follow from the letters.
const title = document.getElementById("heading").textContent;
let seed = [...title].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 233280, 7);
const random = () => (seed = (seed * 9301 + 49297) % 233280) / 233280;
document.getElementById("art").innerHTML = Array.from({ length: 26 }, (_, index) => {
  const [x, y, r] = [500 + random() * 720, random() * 420, 12 + random() ** 2 * 130];
  const tone = index % 2 ? "var(--accent)" : "var(--accent-2)";
  return `<circle cx="${x}" cy="${y}" r="${r}" fill="${index % 3 ? tone : "none"}" stroke="${tone}" opacity="${0.12 + random() * 0.4}"/>`;
}).join("");

const samples = [
  { text: "[[Contarlo con una historia corta||Tell it as a short story]]", votes: 3 },
  { text: "[[Añadir fotos propias||Add photographs of our own]]", votes: 1 },
];
let ideas = load();
const board = document.getElementById("board");

function load() {
  try {
    return JSON.parse(localStorage.getItem("ideas")) ?? samples;
  } catch {
    return samples;
  }
}

function show() {
  localStorage.setItem("ideas", JSON.stringify(ideas));
  ideas.sort((one, other) => other.votes - one.votes);
  board.replaceChildren(
    ...ideas.map((idea) => {
      const item = document.createElement("li");
      const text = document.createElement("span");
      text.textContent = idea.text;
      const vote = document.createElement("button");
      vote.textContent = "▲ " + idea.votes;
      vote.setAttribute("aria-label", "[[Votar||Vote]]: " + idea.text);
      vote.addEventListener("click", () => {
        idea.votes += 1;
        show();
      });
      item.append(text, vote);
      return item;
    }),
  );
}

document.getElementById("idea-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = document.getElementById("idea");
  if (!input.value.trim()) return;
  ideas.push({ text: input.value.trim(), votes: 0 });
  input.value = "";
  show();
});
show();
