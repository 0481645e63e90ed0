/** Paths as a tree, and the tree as the rows that are in sight. Pure. */
export interface Row {
  path: string;
  name: string;
  depth: number;
  folder: boolean;
  open: boolean;
}

interface Node {
  folders: Map<string, Node>;
  files: string[];
}

export function rows(paths: string[], closed: ReadonlySet<string>): Row[] {
  const root: Node = { folders: new Map(), files: [] };
  for (const path of paths) {
    const parts = path.split("/");
    const file = parts.pop() ?? path;
    let node = root;
    for (const part of parts) {
      let next = node.folders.get(part);
      if (!next) node.folders.set(part, (next = { folders: new Map(), files: [] }));
      node = next;
    }
    node.files.push(file);
  }
  const found: Row[] = [];
  const walk = (node: Node, prefix: string, depth: number) => {
    const byName = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });
    for (const name of [...node.folders.keys()].toSorted(byName)) {
      const path = prefix + name;
      const open = !closed.has(path);
      found.push({ path, name, depth, folder: true, open });
      const child = node.folders.get(name);
      if (open && child) walk(child, `${path}/`, depth + 1);
    }
    for (const name of node.files.toSorted(byName)) {
      found.push({ path: prefix + name, name, depth, folder: false, open: false });
    }
  };
  walk(root, "", 0);
  return found;
}
