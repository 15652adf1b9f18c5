// Finds what can be followed in a text, and decides which addresses may be. Pure functions.

export interface Piece {
  text: string;
  href?: string;
}

const kAllowed = /^(?:https?|mailto|tel):$/;
// An address with its scheme, "www.", a mail address, or an international telephone number.
const kLink =
  /(?:https?:\/\/|www\.)[^\s<>"`{}|\\^]+|(?:mailto|tel):[^\s<>"`{}|\\^]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}|\+\d[\d ().-]{6,18}\d/giu;
// Belongs to the sentence, not to the address.
const kTail = /[.,;:!?'"»”’…\u061f\u060c\u3002\uff0c]/;

// An absolute address of an allowed scheme, or null. `base` is for addresses of the gateway's own.
export function safeUrl(url: unknown, base?: string): string | null {
  if (typeof url !== 'string' || url === '') return null;
  try {
    const parsed = new URL(url, base);
    return kAllowed.test(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(kLink)) {
    const begin = match.index!;
    // Not from the middle of a word, as in "x@http://": the text before decides.
    if (begin < at || /[\w@]/.test(text[begin - 1] ?? '')) continue;
    const found = withoutTail(match[0]);
    const href = safeUrl(addressOf(found));
    if (!href) continue;
    if (begin > at) pieces.push({ text: text.slice(at, begin) });
    pieces.push({ text: found, href });
    at = begin + found.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}

function addressOf(found: string): string {
  if (/^(?:https?|mailto|tel):/i.test(found)) return found;
  if (/^www\./i.test(found)) return 'https://' + found;
  return found[0] === '+' ? 'tel:' + found.replace(/[^+\d]/g, '') : 'mailto:' + found;
}

// "(see https://a.example/b)." ends with the address's last letter; "/wiki/C_(language)" keeps its
// parenthesis.
function withoutTail(found: string): string {
  let open = found.split('(').length - found.split(')').length;
  let end = found.length;
  for (; end > 0; end--) {
    const last = found[end - 1]!;
    if (last === ')' && open < 0) open++;
    else if (!kTail.test(last)) break;
  }
  return found.slice(0, end);
}
