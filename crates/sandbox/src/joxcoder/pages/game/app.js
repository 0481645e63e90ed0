"use strict";

const CELLS = 20;
const MOVES = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", a: "left", d: "right", w: "up", s: "down" };
const get = (id) => document.getElementById(id);
const canvas = get("board");
const pen = canvas.getContext("2d");
const cell = canvas.width / CELLS;
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let snake, move, turns, food, score, timer;
let best = Number(localStorage.getItem("best")) || 0;

function begin() {
  snake = [[9, 10], [8, 10], [7, 10], [6, 10]];
  move = MOVES.right;
  turns = [];
  score = 0;
  placeFood();
  resume();
}

function placeFood() {
  do food = [Math.floor(Math.random() * CELLS), Math.floor(Math.random() * CELLS)];
  while (snake.some(([x, y]) => x === food[0] && y === food[1]));
}

function resume() {
  get("veil").hidden = true;
  clearInterval(timer);
  timer = setInterval(step, Math.max(60, 130 - score * 2));
}

function stop(message, button) {
  clearInterval(timer);
  timer = null;
  get("message").textContent = message;
  get("play").textContent = button;
  get("veil").hidden = false;
  get("play").focus();
}

function step() {
  const turn = turns.shift();
  if (turn && turn[0] !== -move[0]) move = turn;
  const head = [(snake[0][0] + move[0] + CELLS) % CELLS, (snake[0][1] + move[1] + CELLS) % CELLS];
  if (snake.some(([x, y]) => x === head[0] && y === head[1])) {
    best = Math.max(best, score);
    localStorage.setItem("best", best);
    snake = null;
    stop("[[Fin de la partida||Game over]]: " + score, "[[Otra vez||Again]]");
    show();
    return;
  }
  snake.unshift(head);
  if (head[0] === food[0] && head[1] === food[1]) {
    score += 1;
    placeFood();
    resume();
  } else snake.pop();
  draw();
  show();
}

function show() {
  get("score").textContent = score ?? 0;
  get("best").textContent = Math.max(best, score ?? 0);
}

function block([x, y], colour, gap, radius) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(x * cell + gap, y * cell + gap, cell - 2 * gap, cell - 2 * gap, radius);
  pen.fill();
}

function draw() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (let x = 0; x < CELLS; x += 1) {
    for (let y = x % 2; y < CELLS; y += 2) block([x, y], "rgb(148 163 184 / 6%)", 0, 0);
  }
  block(food, tone("--accent-2"), 4, 12);
  snake.forEach((part, index) => {
    pen.globalAlpha = 1 - (0.55 * index) / snake.length;
    block(part, tone("--accent"), 1, index ? 7 : 10);
  });
  pen.globalAlpha = 1;
}

function steer(name) {
  if (!snake || !timer) return;
  const last = turns.at(-1) ?? move;
  const next = MOVES[name];
  if (next[0] + last[0] || next[1] + last[1]) turns.push(next);
}

document.addEventListener("keydown", (event) => {
  const name = KEYS[event.key];
  if (name) {
    event.preventDefault();
    steer(name);
  }
  if (event.key === " " && timer) {
    event.preventDefault();
    stop("[[En pausa||Paused]]", "[[Seguir||Go on]]");
  }
});
document.querySelectorAll("[data-move]").forEach((button) => button.addEventListener("click", () => steer(button.dataset.move)));
get("play").addEventListener("click", () => (snake ? resume() : begin()));

// A still picture behind the invitation to play.
[snake, food] = [[[13, 3], [12, 3], [11, 3], [10, 3], [9, 3], [9, 4], [8, 4], [7, 4], [6, 4], [6, 3], [5, 3]], [16, 3]];
draw();
snake = null;
show();
