import { printable } from '../../bytes/printable.ts';
import type { Bytes } from '../../bytes/stream.ts';

/** A longer line is cut into several: programs can print without end. */
const MAX_LINE_LENGTH = 8 * 1024;

/** The lines of what a program prints, each made printable, without empty ones. */
export async function* linesOf(bytes: Bytes): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/[\r\n]+/);
    rest = lines.pop() ?? '';
    for (const line of lines) yield* shown(line);
    if (rest.length > MAX_LINE_LENGTH) {
      yield* shown(rest);
      rest = '';
    }
  }
  yield* shown(rest + decoder.decode());
}

function* shown(line: string): Generator<string> {
  // Colours and cursor movements of programs that don't ask where they print.
  const plain = line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
  for (let at = 0; at < plain.length; at += MAX_LINE_LENGTH) {
    const text = printable(plain.slice(at, at + MAX_LINE_LENGTH), MAX_LINE_LENGTH);
    if (text !== '') yield text;
  }
}
