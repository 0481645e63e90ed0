"use strict";

const money = new Intl.NumberFormat("{{lang}}", { style: "currency", currency: "EUR", maximumFractionDigits: 0 });
const number = new Intl.NumberFormat("{{lang}}");
// The same figures at every visit: a wave of weeks on a slow climb.
const days = Array.from({ length: 180 }, (_, day) => {
  const wave = Math.sin(day / 1.1) * 240 + Math.sin(day / 14 - 3.4) * 120;
  return Math.round(1600 + day * 7 + wave + ((day * 7919) % 310));
});
const channels = [["[[Buscadores||Search]]", 42], ["[[Redes||Social]]", 27], ["[[Correo||E-mail]]", 19], ["[[Directo||Direct]]", 12]];
const orders = [
  ["Lucía Prado", "#2041", true, 184],
  ["Tom Becker", "#2040", false, 96],
  ["Noor Haddad", "#2039", true, 312],
  ["Iván Soler", "#2038", true, 58],
  ["Chloé Martin", "#2037", false, 141],
];

const sum = (list) => list.reduce((total, value) => total + value, 0);

function figures(now, before) {
  const change = (sum(now) / sum(before) - 1) * 100;
  const count = Math.round(sum(now) / 64);
  return [
    ["[[Ingresos||Revenue]]", money.format(sum(now)), change],
    ["[[Pedidos||Orders]]", number.format(count), change * 0.7],
    ["[[Visitas||Visits]]", number.format(count * 23), change * 1.2],
    ["[[Devoluciones||Returns]]", "1,8 %", -0.4],
  ];
}

function figure([name, value, change]) {
  const box = document.createElement("div");
  const small = document.createElement("small");
  small.className = change < 0 ? "down" : "";
  small.textContent = (change < 0 ? "▼ " : "▲ ") + Math.abs(change).toFixed(1) + " %";
  const [title, amount] = [document.createElement("span"), document.createElement("b")];
  title.textContent = name;
  amount.textContent = value;
  box.append(title, amount, small);
  return box;
}

function draw(values) {
  const low = Math.min(...values) * 0.7;
  const top = Math.max(...values) * 1.05 - low;
  const x = (index) => (600 * index) / (values.length - 1);
  const y = (value) => 215 - (200 * (value - low)) / top;
  const line = values.map((value, index) => (index ? "L" : "M") + x(index).toFixed(1) + " " + y(value).toFixed(1)).join(" ");
  const grid = [15, 65, 115, 165].map((at) => `<line class="grid" x1="0" x2="600" y1="${at}" y2="${at}"/>`).join("");
  document.getElementById("chart").innerHTML =
    `<defs><linearGradient id="fade" x1="0" y1="0" x2="0" y2="1"><stop stop-color="var(--accent)" stop-opacity=".35"/>` +
    `<stop offset="1" stop-color="var(--accent)" stop-opacity="0"/></linearGradient></defs>${grid}` +
    `<path class="area" d="${line} L600 220 L0 220 Z"/><path class="line" d="${line}"/>`;
}

function show(length) {
  const now = days.slice(-length);
  document.getElementById("figures").replaceChildren(...figures(now, days.slice(-2 * length, -length)).map(figure));
  draw(now);
  document.getElementById("channels").innerHTML = channels
    .map(([name, share], index) => [name, share + Math.round(length / 30) * (index === 0 ? -3 : 1)])
    .map(([name, share]) => `<div class="channel"><p><span>${name}</span><b>${share} %</b></p><i style="width:${share * 2}%"></i></div>`)
    .join("");
}

document.getElementById("orders").innerHTML =
  "<tr><th>[[Cliente||Customer]]</th><th>[[Pedido||Order]]</th><th>[[Estado||State]]</th><th>[[Importe||Amount]]</th></tr>" +
  orders
    .map(([who, id, paid, amount]) => `<tr><td>${who}</td><td class="muted">${id}</td><td><span class="state ${paid ? "ok" : ""}">${paid ? "[[Pagado||Paid]]" : "[[En camino||On its way]]"}</span></td><td>${money.format(amount)}</td></tr>`)
    .join("");

document.querySelectorAll("[data-days]").forEach((button) => {
  button.addEventListener("click", () => {
    document.querySelector(".range .on").classList.remove("on");
    button.classList.add("on");
    show(Number(button.dataset.days));
  });
});
show(30);
