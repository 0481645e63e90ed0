import type { Project } from "../../lib/bindings/Project";

/** The project whose name and description are being changed. */
export const editing = $state<{ project: Project | null }>({ project: null });
