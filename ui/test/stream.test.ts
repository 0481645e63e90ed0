import { describe, expect, it } from "vitest";
import type { Generation } from "../src/lib/bindings/Generation";
import type { GenerationUpdate } from "../src/lib/bindings/GenerationUpdate";
import type { Piece } from "../src/lib/bindings/Piece";
import { fold, type Live } from "../src/lib/stream";

const generation = (status: Generation["status"] = "pending"): Generation => ({
  id: "g",
  projectId: "p",
  role: "fullstack",
  prompt: "",
  model: "m",
  status,
  waking: false,
  finishReason: null,
  problem: null,
  baseVersion: null,
  version: null,
  reserved: null,
  charged: null,
  usage: null,
  createdAt: 0,
  completedAt: null,
});
const snapshot = (explanation = "", files: Live["files"] = []): GenerationUpdate => ({
  kind: "snapshot",
  detail: { generation: generation(), explanation, files, seq: 0 },
});
const pieces = (n: number, ...list: Piece[]): GenerationUpdate => ({ kind: "pieces", n, pieces: list });
const run = (...updates: GenerationUpdate[]) => updates.reduce<Live | null>(fold, null) as Live;

describe("a generation that is watched", () => {
  it("grows its explanation and its files in order of first appearance", () => {
    const live = run(
      snapshot(),
      pieces(1, { kind: "explanation", text: "Hola " }, { kind: "file_started", path: "a.html" }),
      pieces(
        2,
        { kind: "file_text", path: "a.html", text: "<p>" },
        { kind: "file_text", path: "a.html", text: "ñ" },
      ),
      pieces(3, { kind: "file_ended", path: "a.html" }, { kind: "file_started", path: "b.css" }),
      pieces(4, { kind: "explanation", text: "mundo" }),
    );
    expect(live.explanation).toBe("Hola mundo");
    expect(live.files).toEqual([
      { path: "a.html", text: "<p>ñ", complete: true },
      { path: "b.css", text: "", complete: false },
    ]);
    expect(live.current).toBe("b.css");
    expect(live.reread).toBe(false);
  });

  it("continues from what a snapshot already had", () => {
    const live = run(
      snapshot("x", [{ path: "a", text: "1", complete: false }]),
      pieces(1, { kind: "file_text", path: "a", text: "2" }),
    );
    expect(live.files[0]?.text).toBe("12");
    expect(live.current).toBe("a");
  });

  it("asks for the whole again when a message was lost", () => {
    expect(run(snapshot(), pieces(1), pieces(3)).reread).toBe(true);
  });

  it("ignores a message that it has had", () => {
    const live = run(
      snapshot(),
      pieces(1, { kind: "explanation", text: "a" }),
      pieces(1, { kind: "explanation", text: "a" }),
    );
    expect(live.explanation).toBe("a");
  });

  it("counts from one again after a new snapshot", () => {
    const live = run(
      snapshot(),
      pieces(1),
      pieces(2),
      snapshot("b"),
      pieces(1, { kind: "explanation", text: "c" }),
    );
    expect(live).toMatchObject({ explanation: "bc", n: 1, reread: false });
  });

  it("begins a file anew when it is started again", () => {
    const live = run(
      snapshot("", [{ path: "a", text: "old", complete: true }]),
      pieces(1, { kind: "file_started", path: "a" }, { kind: "file_text", path: "a", text: "new" }),
    );
    expect(live.files).toEqual([{ path: "a", text: "new", complete: false }]);
  });

  it("moves and removes files of the version that it began from", () => {
    const live = run(
      snapshot("", [{ path: "old", text: "t", complete: true }]),
      pieces(1, { kind: "file_renamed", from: "old", to: "new" }, { kind: "file_deleted", path: "gone" }),
    );
    expect(live.files.map((file) => file.path)).toEqual(["new"]);
    expect(live.deleted).toEqual(["old", "gone"]);
  });

  it("is read again at its end, whatever has been seen", () => {
    const live = run(snapshot(), { kind: "ended", generation: generation("completed") });
    expect(live).toMatchObject({ ended: true, reread: true, current: null });
  });

  it("says nothing before its first snapshot", () => {
    expect(fold(null, pieces(1))).toBeNull();
  });
});
