import { describe, expect, it } from "vitest";
import * as format from "../src/lib/format";

const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");
const words = { now: "now", soon: "soon" };

describe("numbers, amounts and times as people read them", () => {
  it("groups thousands in both languages, four digits too", () => {
    expect(format.tokens(9870, "es-ES")).toBe("9.870");
    expect(format.tokens(1_234_567, "es-ES")).toBe("1.234.567");
    expect(format.tokens(1_234_567, "en-GB")).toBe("1,234,567");
  });

  it("shortens what has to fit in a narrow place", () => {
    expect(format.compact(9_870, "es-ES")).toBe("9.870");
    expect(format.compact(21_480, "es-ES")).toBe("21,5 k");
    expect(format.compact(412_540, "en-GB")).toBe("413 k");
    expect(format.compact(999_900, "en-GB")).toBe("1 M");
    expect(format.compact(1_500_000, "es-ES")).toBe("1,5 M");
  });

  it("writes minor units as money, decimals only when there are any", () => {
    expect(plain(format.money(2900, "usd", "es-ES"))).toBe("29 $");
    expect(format.money(2999, "usd", "en-GB")).toBe("$29.99");
    expect(plain(format.money(199_000, "usd", "es-ES"))).toBe("1.990 $");
    expect(format.money(500, "jpy", "en-GB")).toBe("¥500");
  });

  it("says how long ago, and how soon", () => {
    expect(format.relative(0, 3 * 60_000, "es-ES", words)).toBe("hace 3 minutos");
    expect(format.relative(2 * 3_600_000, 0, "en-GB", words)).toBe("in 2 hours");
    expect(format.relative(0, 20_000, "en-GB", words)).toBe("now");
    expect(format.relative(20_000, 0, "en-GB", words)).toBe("soon");
  });

  it("gives bytes, months and running time", () => {
    expect(format.bytes(620, "es-ES")).toBe("620 B");
    expect(format.bytes(1536, "es-ES")).toBe("1,5 KB");
    expect(format.month("2026-11", "es-ES")).toBe("noviembre");
    expect(format.elapsed(754_000)).toBe("12:34");
    expect(format.elapsed(-5)).toBe("0:00");
  });
});
