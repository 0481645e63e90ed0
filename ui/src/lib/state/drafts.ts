/** Words that have not been sent yet, per project: they outlive a reload and a closed window. */
const KEY = "draft:";

export const drafts = {
  read: (projectId: string): string => localStorage.getItem(KEY + projectId) ?? "",
  write(projectId: string, text: string): void {
    if (text) localStorage.setItem(KEY + projectId, text);
    else localStorage.removeItem(KEY + projectId);
  },
};
