"use strict";

// The whole API, without a network: the page and the server both call `handle`.
(function (root) {
  const items = new Map();
  let next = 1;

  function add(name, done) {
    const item = { id: next++, name, done, createdAt: new Date().toISOString() };
    items.set(item.id, item);
    return item;
  }

  const error = (status, message) => ({ status, body: { error: message } });

  function read(text) {
    try {
      const value = JSON.parse(text || "{}");
      return value && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }

  function handle(method, path, text) {
    const [, id] = /^\/v1\/items(?:\/(\d+))?\/?$/.exec(path) ?? [null, null];
    if (!/^\/v1\/items(\/|$)/.test(path)) return error(404, "[[No existe esa ruta||No such route]]");
    const body = read(text);
    if (!body) return error(400, "[[El cuerpo no es un objeto JSON||The body is not a JSON object]]");
    const name = typeof body.name === "string" ? body.name.trim() : "";
    if (!id && method === "GET") return { status: 200, body: { items: [...items.values()] } };
    if (!id && method === "POST") {
      return name ? { status: 201, body: add(name, false) } : error(422, "[[Falta «name»||“name” is missing]]");
    }
    const item = items.get(Number(id));
    if (!item) return error(404, "[[No existe ese elemento||No such item]]");
    if (method === "GET") return { status: 200, body: item };
    if (method === "PATCH") {
      if (name) item.name = name;
      if (typeof body.done === "boolean") item.done = body.done;
      return { status: 200, body: item };
    }
    if (method === "DELETE") {
      items.delete(item.id);
      return { status: 204, body: null };
    }
    return error(405, "[[Ese método no vale aquí||That method is not allowed here]]");
  }

  add("[[Diseñar las rutas||Design the routes]]", true);
  add("[[Escribir la documentación||Write the documentation]]", false);
  if (typeof module === "object") module.exports = { handle };
  else root.handle = handle;
})(globalThis);
