export function served(name: string): Promise<{ base: string; close: () => Promise<void> }>;
