"use strict";

const KEYS = ["C", "(", ")", "⌫", "7", "8", "9", "÷", "4", "5", "6", "×", "1", "2", "3", "−", "0", ".", "=", "+"];
const TYPED = { "*": "×", "/": "÷", "-": "−", ",": ".", Enter: "=", Backspace: "⌫", Escape: "C" };
const sum = document.getElementById("sum");
const result = document.getElementById("result");
let text = "";
let finished = false;

/** Reads a sum with × and ÷ before + and −, and parentheses. Throws where it makes no sense. */
function calculate(source) {
  let at = 0;
  const take = (signs) => (signs.includes(source[at]) && at < source.length ? source[at++] : null);
  function value() {
    if (take("−")) return -value();
    if (take("(")) {
      const inner = total();
      take(")");
      return inner;
    }
    const digits = /^\d*\.?\d*/.exec(source.slice(at))[0];
    if (!/\d/.test(digits)) throw new Error("number");
    at += digits.length;
    return Number(digits);
  }
  function product() {
    let left = value();
    for (let sign = take("×÷"); sign; sign = take("×÷")) left = sign === "×" ? left * value() : left / value();
    return left;
  }
  function total() {
    let left = product();
    for (let sign = take("+−"); sign; sign = take("+−")) left = sign === "+" ? left + product() : left - product();
    return left;
  }
  const answer = total();
  if (at < source.length || !Number.isFinite(answer)) throw new Error("sum");
  return Number(answer.toPrecision(12));
}

const shown = (number) => number.toLocaleString("{{lang}}", { maximumFractionDigits: 10 });

function preview() {
  sum.textContent = text;
  try {
    result.textContent = shown(calculate(text));
  } catch {
    if (!text) result.textContent = "0";
  }
}

function remember(source, answer) {
  const entry = document.createElement("li");
  const again = document.createElement("button");
  const small = document.createElement("small");
  small.textContent = source + " =";
  again.append(small, shown(answer));
  again.addEventListener("click", () => {
    text = source;
    finished = false;
    preview();
  });
  entry.append(again);
  const history = document.getElementById("history");
  history.prepend(entry);
  if (history.children.length > 6) history.lastChild.remove();
  document.getElementById("hint").hidden = true;
}

function press(key) {
  if (key === "C") text = "";
  else if (key === "⌫") text = text.slice(0, -1);
  else if (key === "=") {
    try {
      const answer = calculate(text);
      remember(text, answer);
      sum.textContent = text + " =";
      result.textContent = shown(answer);
      text = String(answer).replace("-", "−");
      finished = true;
    } catch {
      result.textContent = "[[No se puede||Not possible]]";
    }
    return;
  } else {
    if (finished && /[\d.(]/.test(key)) text = "";
    text += key;
  }
  finished = false;
  preview();
}

for (const key of KEYS) {
  const button = document.createElement("button");
  button.textContent = key;
  button.className = key === "=" ? "equals" : "+−×÷".includes(key) ? "sign" : "C()⌫".includes(key) ? "tool" : "";
  button.addEventListener("click", () => press(key));
  document.getElementById("keys").append(button);
}

document.addEventListener("keydown", (event) => {
  const key = TYPED[event.key] ?? event.key;
  if (!KEYS.includes(key) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  press(key);
});
