// Times and sizes in the visitor's language. Pure functions.
import type { Locale } from './locales';

export function clock(locale: Locale, time: Date): string {
  return new Intl.DateTimeFormat(locale.tag, { hour: 'numeric', minute: '2-digit' }).format(time);
}

export function sameDay(one: Date, other: Date): boolean {
  return one.toDateString() === other.toDateString();
}

// "Today", "Yesterday", "12 March", and with the year where it is another one.
export function day(locale: Locale, time: Date, now: Date): string {
  const begin = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  const days = Math.round((begin(time) - begin(now)) / 86_400_000);
  if (days === 0 || days === -1) {
    const text = new Intl.RelativeTimeFormat(locale.tag, { numeric: 'auto' }).format(days, 'day');
    return text.charAt(0).toLocaleUpperCase(locale.tag) + text.slice(1);
  }
  return new Intl.DateTimeFormat(locale.tag, {
    day: 'numeric',
    month: 'long',
    ...(time.getFullYear() !== now.getFullYear() && { year: 'numeric' }),
  }).format(time);
}

export function size(locale: Locale, bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  let unit = 0;
  while (bytes >= 1000 && unit < 3) {
    bytes /= 1000;
    unit++;
  }
  return new Intl.NumberFormat(locale.tag, {
    style: 'unit',
    unit: units[unit],
    unitDisplay: 'short',
    maximumFractionDigits: unit > 1 ? 1 : 0,
  }).format(bytes);
}
