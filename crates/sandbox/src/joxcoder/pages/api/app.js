"use strict";

const get = (id) => document.getElementById(id);
const TONES = { GET: "#38bdf8", POST: "#34d399", PATCH: "#fbbf24", DELETE: "#f87171" };
const routes = [
  ["GET", "/v1/items", "[[La lista completa||The whole list]]", ""],
  ["POST", "/v1/items", "[[Crea uno||Creates one]]", '{ "name": "[[Publicar||Publish]]" }'],
  ["GET", "/v1/items/1", "[[Uno solo||A single one]]", ""],
  ["PATCH", "/v1/items/2", "[[Cambia lo que se envíe||Changes what is sent]]", '{ "done": true }'],
  ["DELETE", "/v1/items/2", "[[Lo borra||Deletes it]]", ""],
];

function choose(button, [method, path, , body]) {
  document.querySelector(".routes .on")?.classList.remove("on");
  button.classList.add("on");
  get("method").textContent = method;
  get("path").value = path;
  get("body").value = body;
}

function send() {
  const begun = performance.now();
  const { status, body } = handle(get("method").textContent, get("path").value.trim(), get("body").value);
  get("status").textContent = status;
  get("status").className = status < 400 ? "ok" : "bad";
  get("time").textContent = (performance.now() - begun).toFixed(1) + " ms";
  get("answer").textContent = body === null ? "" : JSON.stringify(body, null, 2);
}

const buttons = routes.map((route) => {
  const button = document.createElement("button");
  const verb = document.createElement("span");
  verb.className = "verb";
  verb.style.setProperty("--tone", TONES[route[0]]);
  verb.textContent = route[0];
  const path = document.createElement("code");
  path.textContent = route[1];
  const what = document.createElement("small");
  what.textContent = route[2];
  button.append(verb, path, what);
  button.addEventListener("click", () => {
    choose(button, route);
    send();
  });
  return button;
});
get("routes").append(...buttons);
get("try").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
buttons[0].click();
