/** The relay's word for where tokens came from, as one of those that the page has a sentence for. */
export type Source = "free" | "invoice" | "upgrade" | "dispute" | "grant";

export function source(text: string | null): Source | null {
  const word = text?.split(":")[0];
  switch (word) {
    case "free":
    case "invoice":
    case "upgrade":
    case "grant":
      return word;
    case "dispute_won":
      return "dispute";
    default:
      return null;
  }
}
