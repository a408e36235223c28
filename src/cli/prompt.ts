import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { SlipwayError } from '../errors.ts';

/** Asks whoever sits at the terminal. */
export interface Prompts {
  /** Asks for a line, which is shown as it is typed. */
  ask(question: string): Promise<string>;
  /** Asks for a line that is shown nowhere. */
  askHidden(question: string): Promise<string>;
  close(): void;
}

/** True if somebody can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/**
 * Opens the terminal for questions, which are written to `stream`. An interrupt at a question is
 * one of the program.
 */
export function openPrompts(stream: NodeJS.WriteStream, signal: AbortSignal): Prompts {
  let isHidden = false;
  // Takes what readline echoes: the terminal itself echoes nothing in the mode that it sets.
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!isHidden) stream.write(chunk);
      done();
    },
  });
  const lines = createInterface({
    input: process.stdin,
    output: echo,
    terminal: true,
    historySize: 0,
  });
  const waiting: string[] = [];
  let take: ((line: string | undefined) => void) | undefined;
  let isClosed = false;
  lines.on('line', (line) => {
    if (take === undefined) waiting.push(line);
    else take(line);
  });
  lines.on('close', () => {
    isClosed = true;
    take?.(undefined);
  });
  // In this mode the terminal sends no signal by itself.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));

  const ask = async (question: string, hidden: boolean): Promise<string> => {
    signal.throwIfAborted();
    isHidden = hidden;
    stream.write(question);
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    take = resolve;
    if (isClosed) resolve(undefined);
    else if (waiting.length > 0) resolve(waiting.shift());
    try {
      const line = await promise;
      if (line === undefined) throw new SlipwayError('USAGE', 'the question was not answered');
      return line;
    } finally {
      take = undefined;
      signal.removeEventListener('abort', onAbort);
      if (hidden) stream.write('\n');
      isHidden = false;
    }
  };

  return {
    ask: (question) => ask(question, false),
    askHidden: (question) => ask(question, true),
    close() {
      lines.close();
      process.stdin.pause();
    },
  };
}
