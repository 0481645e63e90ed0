/** Places in the app, kept in the address so that a reload comes back to them. Pure. */
import type { Destination } from "../bindings/Destination";

export type Route =
  | { name: "dashboard" }
  | { name: "project"; id: string }
  | { name: "plans" }
  | { name: "account" }
  | { name: "settings" };

export function read(hash: string): Route {
  const [name, id] = hash.replace(/^#\/?/, "").split("/");
  if (name === "project" && id) return { name, id };
  if (name === "plans" || name === "account" || name === "settings") return { name };
  return { name: "dashboard" };
}

export function write(route: Route): string {
  return route.name === "project" ? `#/project/${route.id}` : `#/${route.name}`;
}

export function fromDestination(to: Destination): Route {
  return to.kind === "project" ? { name: "project", id: to.id } : { name: to.kind };
}
