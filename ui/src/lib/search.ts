/** Case and diacritics do not count when looking for a name: `menu` finds `Menú`. */
export function fold(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}

/** Every word of the query is somewhere in the text. */
export function matches(text: string, query: string): boolean {
  const where = fold(text);
  return fold(query)
    .split(/\s+/)
    .every((word) => where.includes(word));
}
