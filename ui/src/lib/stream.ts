/**
 * Folding what a watcher is told into what is shown. Pure: one state in, one state out.
 *
 * The studio numbers the pieces of a watcher 1, 2, 3 …; a message that the webview lost shows as a
 * gap, and the only answer to a gap is to read the whole again (`reread`).
 */
import type { GeneratedFile } from "./bindings/GeneratedFile";
import type { Generation } from "./bindings/Generation";
import type { GenerationDetail } from "./bindings/GenerationDetail";
import type { GenerationUpdate } from "./bindings/GenerationUpdate";
import type { Piece } from "./bindings/Piece";

/** A generation as it is shown while it runs. */
export interface Live {
  generation: Generation;
  explanation: string;
  files: GeneratedFile[];
  /** Files of the base version that go. */
  deleted: string[];
  /** The file that is being written now. */
  current: string | null;
  /** The number of the last message of pieces. */
  n: number;
  /** The last message said that it is over. */
  ended: boolean;
  /** A message was lost: read the detail again. */
  reread: boolean;
}

export function fromDetail(detail: GenerationDetail): Live {
  return {
    generation: detail.generation,
    explanation: detail.explanation,
    files: detail.files,
    deleted: [],
    current: detail.files.findLast((file) => !file.complete)?.path ?? null,
    n: 0,
    ended: !isRunning(detail.generation),
    reread: false,
  };
}

export function isRunning(generation: Generation): boolean {
  return generation.status === "queued" || generation.status === "pending";
}

/** The next state. `null` before the first snapshot; what comes before it is of no use. */
export function fold(live: Live | null, update: GenerationUpdate): Live | null {
  // A snapshot opens a watcher, whose pieces are counted from 1.
  if (update.kind === "snapshot") return fromDetail(update.detail);
  if (live === null) return null;
  switch (update.kind) {
    case "status":
      return { ...live, generation: update.generation };
    case "ended":
      return { ...live, generation: update.generation, current: null, ended: true, reread: true };
    case "pieces":
      if (update.n <= live.n) return live;
      return {
        ...update.pieces.reduce(apply, live),
        n: update.n,
        reread: live.reread || update.n !== live.n + 1,
      };
  }
}

function apply(live: Live, piece: Piece): Live {
  switch (piece.kind) {
    case "explanation":
      return { ...live, explanation: live.explanation + piece.text };
    case "file_started": {
      const fresh = { path: piece.path, text: "", complete: false };
      const known = live.files.some((file) => file.path === piece.path);
      return {
        ...live,
        current: piece.path,
        deleted: live.deleted.filter((path) => path !== piece.path),
        files: known
          ? live.files.map((file) => (file.path === piece.path ? fresh : file))
          : [...live.files, fresh],
      };
    }
    case "file_text":
      return {
        ...live,
        current: piece.path,
        files: live.files.map((file) =>
          file.path === piece.path ? { ...file, text: file.text + piece.text } : file,
        ),
      };
    case "file_ended":
      return {
        ...live,
        current: live.current === piece.path ? null : live.current,
        files: live.files.map((file) => (file.path === piece.path ? { ...file, complete: true } : file)),
      };
    case "file_deleted":
      return {
        ...live,
        deleted: live.deleted.includes(piece.path) ? live.deleted : [...live.deleted, piece.path],
        files: live.files.filter((file) => file.path !== piece.path),
      };
    case "file_renamed":
      return {
        ...live,
        deleted: live.deleted.includes(piece.from) ? live.deleted : [...live.deleted, piece.from],
        current: live.current === piece.from ? piece.to : live.current,
        files: live.files.map((file) => (file.path === piece.from ? { ...file, path: piece.to } : file)),
      };
  }
}
