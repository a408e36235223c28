import { printable } from '../bytes/printable.ts';
import type { Emit } from '../events.ts';
import type { HttpResponse } from '../http/client.ts';

/** A registry that warns of each blob anew is not listened to any longer. */
const MAX_TOLD = 20;
const MAX_BYTES = 4096;
/** Code 299 and no agent, as a registry has to write it, and no date. */
const WARNING = /299 - "((?:[^"\\]|\\.)*)"(?:\s*,\s*|$)/y;

/**
 * Tells what a registry warns of (distribution-spec, "Warnings"), each text once in a run. Nothing is
 * done about it, as the specification wants.
 */
export function createWarnings(host: string, emit: Emit): (response: HttpResponse) => void {
  const told = new Set<string>();
  return (response) => {
    for (const text of response.headers('warning').flatMap(warningTexts)) {
      if (told.has(text) || told.size >= MAX_TOLD) continue;
      told.add(text);
      emit({ type: 'warning', message: `${host} warns: ${text}` });
    }
  };
}

/** The texts of a `Warning` header, printable; none of one that is too long or written otherwise. */
export function warningTexts(header: string): readonly string[] {
  if (header.length > MAX_BYTES) return [];
  const texts: string[] = [];
  WARNING.lastIndex = 0;
  for (let end = 0; end < header.length; end = WARNING.lastIndex) {
    const [, quoted] = WARNING.exec(header) ?? [];
    if (quoted === undefined) return [];
    const text = printable(quoted.replace(/\\(.)/g, '$1'));
    if (text !== '') texts.push(text);
  }
  return texts;
}
