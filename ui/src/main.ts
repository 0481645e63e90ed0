import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { app } from "./lib/state/app.svelte";

// The theme of last time, until the studio has answered: no flash of the other one.
document.documentElement.dataset.theme = localStorage.getItem("theme-shown") ?? "dark";

const target = document.getElementById("app");
if (target) mount(App, { target });
void app.start();
