"use strict";

const products = [
  { id: 1, name: "[[Taza Alba||Dawn mug]]", kind: "[[Mesa||Table]]", price: 18, shape: "cup", tones: ["#f3d9c4", "#c2562d"] },
  { id: 2, name: "[[Jarrón Duna||Dune vase]]", kind: "[[Casa||Home]]", price: 46, shape: "vase", tones: ["#e8e2cf", "#8a7b52"] },
  { id: 3, name: "[[Cuenco Mar||Sea bowl]]", kind: "[[Mesa||Table]]", price: 24, shape: "bowl", tones: ["#d3e4e6", "#2f6f7e"] },
  { id: 4, name: "[[Lámpara Luna||Moon lamp]]", kind: "[[Luz||Light]]", price: 89, shape: "lamp", tones: ["#ece4f2", "#7a5b94"] },
  { id: 5, name: "[[Florero Tallo||Stem vase]]", kind: "[[Casa||Home]]", price: 32, shape: "vase", tones: ["#dde8d5", "#55713f"] },
  { id: 6, name: "[[Vela Brasa||Ember candle]]", kind: "[[Luz||Light]]", price: 15, shape: "candle", tones: ["#f6e0b8", "#b9772a"] },
];
const shapes = {
  cup: '<path d="M78 80h64v38a26 26 0 0 1-26 26h-12a26 26 0 0 1-26-26z"/><path d="M142 92h10a14 14 0 0 1 0 30h-12" fill="none" stroke-width="9"/>',
  vase: '<path d="M98 48h24c2 22 26 36 26 64 0 22-16 36-38 36s-38-14-38-36c0-28 24-42 26-64z"/>',
  bowl: '<path d="M58 88h104c0 34-22 56-52 56s-52-22-52-56z"/><ellipse cx="110" cy="88" rx="52" ry="9" opacity=".35" fill="#fff"/>',
  lamp: '<circle cx="110" cy="84" r="38"/><path d="M106 120h8v22h-8zM86 142h48v7H86z"/>',
  candle: '<path d="M84 84h52v62H84z"/><path d="M110 46c12 14 10 26 0 28-10-2-12-14 0-28z" fill="#f59e0b" stroke="none"/>',
};
const money = new Intl.NumberFormat("{{lang}}", { style: "currency", currency: "EUR" });
const all = "[[Todo||All]]";
const get = (id) => document.getElementById(id);
let chosen = all;
let cart = load();

function load() {
  try {
    return JSON.parse(localStorage.getItem("cart")) ?? {};
  } catch {
    return {};
  }
}

function picture({ shape, tones: [light, dark] }) {
  return `<svg viewBox="0 0 220 190" preserveAspectRatio="xMidYMid slice" aria-hidden="true"><rect width="220" height="190" fill="${light}"/>` +
    `<circle cx="160" cy="46" r="60" fill="#fff" opacity=".3"/><ellipse cx="110" cy="150" rx="62" ry="9" fill="${dark}" opacity=".25"/>` +
    `<g fill="${dark}" stroke="${dark}">${shapes[shape]}</g></svg>`;
}

function showProducts() {
  const kinds = [all, ...new Set(products.map((product) => product.kind))];
  get("chips").innerHTML = kinds.map((kind) => `<button class="${kind === chosen ? "on" : ""}" data-kind="${kind}">${kind}</button>`).join("");
  get("products").innerHTML = products
    .filter((product) => chosen === all || product.kind === chosen)
    .map((product) => `<article class="product">${picture(product)}<div><span><h2>${product.name}</h2><p>${money.format(product.price)}</p></span>` +
      `<button data-add="${product.id}" aria-label="[[Añadir||Add]] ${product.name}">+</button></div></article>`)
    .join("");
}

function showCart() {
  localStorage.setItem("cart", JSON.stringify(cart));
  const lines = products.filter((product) => cart[product.id]);
  get("lines").innerHTML = lines
    .map((product) => `<li><span>${product.name} <span class="muted">× ${cart[product.id]}</span></span><b>${money.format(product.price * cart[product.id])}</b>` +
      `<button data-less="${product.id}" aria-label="[[Quitar uno||Remove one]]: ${product.name}">−</button></li>`)
    .join("");
  get("count").textContent = Object.values(cart).reduce((sum, many) => sum + many, 0);
  get("total").textContent = money.format(lines.reduce((sum, product) => sum + product.price * cart[product.id], 0));
  if (!lines.length) get("lines").innerHTML = '<li class="muted">[[Aún está vacío.||Still empty.]]</li>';
}

function change(id, by) {
  cart[id] = Math.max(0, (cart[id] ?? 0) + by);
  get("cart-note").textContent = "";
  showCart();
}

function openCart(open) {
  get("cart").classList.toggle("open", open);
  get("cart").inert = !open;
}

document.addEventListener("click", (event) => {
  const { add, less, kind } = event.target.dataset;
  if (add) change(add, 1);
  if (less) change(less, -1);
  if (kind) {
    chosen = kind;
    showProducts();
  }
});
get("open-cart").addEventListener("click", () => openCart(true));
get("close-cart").addEventListener("click", () => openCart(false));
get("pay").addEventListener("click", () => {
  cart = {};
  showCart();
  get("cart-note").textContent = "[[¡Gracias! Es una demostración: no se ha cobrado nada.||Thank you! This is a demonstration: nothing was charged.]]";
});
showProducts();
showCart();
