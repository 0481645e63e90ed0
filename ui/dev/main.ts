import { play } from "./fixture/play";

play(new URLSearchParams(location.search));
await import("../src/main");
