import type { Emit } from '../../events.ts';
import { type Output, safeJson } from '../output.ts';

/** One event a line, as JSON, for programs. */
export function jsonReporter(output: Output): Emit {
  return (event) => output.err(`${safeJson(event)}\n`);
}
