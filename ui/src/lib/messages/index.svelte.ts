import type { Language } from "../bindings/Language";
import { en } from "./en";
import { es, type Messages } from "./es";

/** The language in force and its sentences. Set by the studio's answer, never guessed here. */
class Speech {
  language = $state<Language>("es");
  readonly t: Messages = $derived(this.language === "es" ? es : en);

  /** The tag that the browser's own formatters understand. */
  readonly locale = $derived(this.language === "es" ? "es-ES" : "en-GB");
}

export const speech = new Speech();
export type { Messages };
