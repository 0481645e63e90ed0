"use strict";

// The same API over HTTP, with nothing but Node: `node server.js`, then http://localhost:3000/v1/items
const { createServer } = require("node:http");
const { handle } = require("./api.js");

const LIMIT = 64 * 1024;

createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => {
    text += piece;
    if (text.length > LIMIT) request.destroy();
  });
  request.on("end", () => {
    const { pathname } = new URL(request.url, "http://localhost");
    const { status, body } = handle(request.method, pathname, text);
    response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
    response.end(body === null ? "" : JSON.stringify(body));
  });
}).listen(process.env.PORT ?? 3000, "127.0.0.1");
