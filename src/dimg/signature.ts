import { createHash } from 'node:crypto';

/** What a signature is made of: texts, lists of them, and what isn't there. */
export type SignaturePart = string | undefined | readonly SignaturePart[];

/** werf's BUILD_CACHE_VERSION: its stages and ours have the same signatures. */
export const CACHE_VERSION = '31';

/** sha256 of texts, joined as werf joins them. */
export function checksum(...parts: readonly SignaturePart[]): string {
  const texts = parts.flatMap(flat);
  return createHash('sha256').update(texts.join(':::')).digest('hex');
}

function flat(part: SignaturePart): readonly string[] {
  if (part === undefined) return [];
  return typeof part === 'string' ? [part] : part.flatMap(flat);
}

/** The signature of a stage: of all that it is made of, the stages below among them. */
export function stageSignature(
  previous: string | undefined,
  dependencies: readonly SignaturePart[],
  { isDev = false }: { readonly isDev?: boolean } = {},
): string {
  return checksum(previous, CACHE_VERSION, isDev ? '1' : '0', dependencies);
}
