/**
 * Numbers, amounts and times as people read them. Pure: the locale and the present are given, so
 * that each can be tested; the components take theirs from `speech` and the clock.
 */

/** 1234567 → "1.234.567" (es), "1,234,567" (en). Four digits are grouped too, as in tables. */
export function tokens(n: number, locale: string): string {
  return new Intl.NumberFormat(locale, { useGrouping: "always" }).format(n);
}

/** 412300 → "412 k", 1500000 → "1,5 M". The short form for narrow places. */
export function compact(n: number, locale: string): string {
  const scaled = (value: number, unit: string) =>
    `${new Intl.NumberFormat(locale, { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value)} ${unit}`;
  if (n >= 999_500) return scaled(n / 1_000_000, "M");
  if (n >= 10_000) return scaled(n / 1_000, "k");
  return tokens(n, locale);
}

/** Minor units as Stripe keeps them. Whole amounts lose their decimals. */
export function money(amount: number, currency: string, locale: string): string {
  const code = currency.toUpperCase();
  const { maximumFractionDigits: digits = 2 } = new Intl.NumberFormat(locale, {
    style: "currency",
    currency: code,
  }).resolvedOptions();
  const value = amount / 10 ** digits;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency: code,
    currencyDisplay: "narrowSymbol",
    useGrouping: "always",
    minimumFractionDigits: Number.isInteger(value) ? 0 : digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** 1536 → "1,5 KB". */
export function bytes(n: number, locale: string): string {
  const format = (value: number, unit: string) =>
    `${new Intl.NumberFormat(locale, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)} ${unit}`;
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return format(n / 1024, "KB");
  return format(n / 1024 / 1024, "MB");
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "hace 3 minutos", "in 2 hours"; within a minute, the words given. */
export function relative(
  at: number,
  now: number,
  locale: string,
  words: { now: string; soon: string },
): string {
  const seconds = Math.round((at - now) / 1000);
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) {
      return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(
        Math.trunc(seconds / size),
        unit,
      );
    }
  }
  return seconds > 5 ? words.soon : words.now;
}

/** "22 nov 2026", "22 Nov 2026"; without the year if it is this one. */
export function date(at: number, now: number, locale: string): string {
  const that = new Date(at);
  const sameYear = that.getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(that);
}

/** "22 nov, 10:05". */
export function moment(at: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    day: "2-digit",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  }).format(new Date(at));
}

/** "2026-11" → "noviembre". */
export function month(yyyyMm: string, locale: string): string {
  const [year, month] = yyyyMm.split("-").map(Number);
  if (!year || !month) return yyyyMm;
  return new Intl.DateTimeFormat(locale, { month: "long", timeZone: "UTC" }).format(
    new Date(Date.UTC(year, month - 1, 15)),
  );
}

/** Milliseconds → "0:42", "12:05". */
export function elapsed(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
