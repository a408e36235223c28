/**
 * The secrets that this process knows, so that text can be searched for them before it leaves.
 *
 * They are kept for the process and not for a run: a secret is one for whoever prints, and a net
 * that has to be handed from room to room has holes. Structure comes first (what may hold a secret
 * isn't printed); this is the last line below it.
 */

/** What stands in the place of a secret. */
export const HIDDEN = '***';

/** Anything shorter is found everywhere, and protects nothing. */
const LEAST_LENGTH = 4;
/** Shorter ones are hidden only where they stand as a word: else digests would have gaps. */
const LEAST_INSIDE = 8;
/** Tokens are renewed again and again: the oldest ones are forgotten. */
const MOST_SECRETS = 500;

const known = new Map<string, readonly Form[]>();

interface Form {
  readonly text: string;
  readonly isWord: boolean;
}

/** Remembers secrets; empty and very short ones are left out. */
export function keepSecret(...secrets: readonly (string | undefined)[]): void {
  for (const secret of secrets) {
    if (secret === undefined || secret.length < LEAST_LENGTH) continue;
    const forms = known.get(secret) ?? formsOf(secret);
    // The newest stands last, also where it was known before.
    known.delete(secret);
    known.set(secret, forms);
    if (known.size > MOST_SECRETS) known.delete(known.keys().next().value ?? '');
  }
}

/** Remembers a login: its password, and both together as HTTP sends them. */
export function keepLogin(username: string, password: string): void {
  if (password.length < LEAST_LENGTH) return;
  keepSecret(password, Buffer.from(`${username}:${password}`).toString('base64'));
}

/** The text without the secrets that are known, in the forms in which text may hold them. */
export function withoutSecrets(text: string): string {
  let clean = text;
  for (const forms of known.values()) {
    for (const { text: form, isWord } of forms) {
      if (!clean.includes(form)) continue;
      clean = isWord ? withoutWord(clean, form) : clean.replaceAll(form, HIDDEN);
    }
  }
  return clean;
}

function withoutWord(text: string, word: string): string {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return text.replace(new RegExp(`(?<![A-Za-z0-9])${escaped}(?![A-Za-z0-9])`, 'g'), HIDDEN);
}

/** Longer forms first: a form may be a part of another. */
function formsOf(secret: string): readonly Form[] {
  const encoded = encodeURIComponent(secret.toWellFormed());
  const forms = new Set([
    secret,
    encoded,
    encoded.replaceAll('%20', '+'),
    encoded.replace(/%[0-9A-F]{2}/g, (escaped) => escaped.toLowerCase()),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    ...[0, 1, 2].flatMap((before) => insideBase64(secret, before)),
  ]);
  return [...forms]
    .filter((form) => form.length >= LEAST_LENGTH)
    .sort((a, b) => b.length - a.length)
    .map((text) => ({ text, isWord: text.length < LEAST_INSIDE }));
}

/** What base64 makes of a secret wherever it stands: the characters that no neighbour changes. */
function insideBase64(secret: string, bytesBefore: number): readonly string[] {
  const bytes = Buffer.concat([Buffer.alloc(bytesBefore), Buffer.from(secret)]);
  const first = Math.ceil((bytesBefore * 8) / 6);
  const end = Math.floor((bytes.byteLength * 8) / 6);
  return (['base64', 'base64url'] as const).map((kind) => bytes.toString(kind).slice(first, end));
}
