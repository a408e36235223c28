import { printable } from '../bytes/printable.ts';
import { keepSecret, withoutSecrets } from '../bytes/secrets.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { isSecretField, showText } from '../http/shown.ts';
import { EXIT_CODES } from './exit-codes.ts';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
  /** standard error is a terminal on which lines can be drawn anew */
  readonly isTerminal: boolean;
  /** columns of the terminal on standard error */
  readonly columns: number;
}

/** The process's own streams. */
export function processOutput(env: NodeJS.ProcessEnv = process.env): Output {
  const isTerminal = process.stderr.isTTY === true && env.TERM !== 'dumb';
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isTerminal,
    get columns() {
      // A terminal that doesn't know its width says 0.
      return process.stderr.columns || 80;
    },
  };
}

/** The same streams, with the secrets that are known taken out of everything. */
export function withoutLeaks(output: Output, env: NodeJS.ProcessEnv = process.env): Output {
  keepSecret(...secretVariables(env));
  return {
    out: (text) => output.out(withoutSecrets(text)),
    err: (text) => output.err(withoutSecrets(text)),
    isTerminal: output.isTerminal,
    get columns() {
      return output.columns;
    },
  };
}

/** Shorter ones are often words that stand elsewhere, too: the password `postgres` of a test. */
const LEAST_OF_VARIABLES = 16;

/** Values of variables whose names say that they are secrets. */
function secretVariables(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(env).flatMap(([name, value = '']) =>
    isSecretField(name) && value.length >= LEAST_OF_VARIABLES ? [value] : [],
  );
}

/** Markers by which CI systems take commands out of a log: GitHub's, Azure's, TeamCity's. */
const CI_COMMAND = /^\s*(?:::|##\[|##vso\[|##teamcity\[)/;

/** One line of text from outside, safe for a terminal and a CI log. */
export function safeLine(text: string, maxLength = 2000): string {
  const clean = printable(showText(text), maxLength);
  return CI_COMMAND.test(clean) ? `· ${clean}` : clean;
}

/**
 * JSON whose text from outside is safe for a terminal and a CI log: what could be a command there
 * is written as an escape, which every reader of JSON takes for the same.
 */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent)
    .replace(
      /[\u007f-\u009f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replace(/##(?=\w*\[)/g, '#\\u0023')
    .replace(/section_(?=(?:start|end):)/g, 'section\\u005f');
}

/** What a user is told about a failure, and with which code the command ends. */
export function renderError(
  error: unknown,
  isDebug = false,
): { readonly text: string; readonly exitCode: number } {
  if (!(error instanceof SlipwayError)) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      text: `slipway: ${safeLine(message)}\n  this is a bug of slipway; please report it\n`,
      exitCode: 1,
    };
  }
  const { side, host, repository, digest, path, hint } = error.facts;
  const place = [host && repository ? `${host}/${repository}` : (host ?? path), digest]
    .filter((part) => part !== undefined && !error.message.includes(part))
    .join(' ');
  const lines = [`slipway: ${safeLine(error.message)}`];
  if (side !== undefined || place !== '') {
    lines.push(`  where: ${safeLine([side, place].filter(Boolean).join(', '))}`);
  }
  if (hint !== undefined) lines.push(`  hint: ${safeLine(hint)}`);
  if (isDebug) lines.push(...causesOf(error));
  return { text: `${lines.join('\n')}\n`, exitCode: EXIT_CODES[error.code] };
}

const MOST_CAUSES = 8;

/** What led to a failure: kinds, codes and messages, nothing else of what errors carry. */
function causesOf(error: Error): readonly string[] {
  const lines: string[] = [];
  let { cause } = error;
  while (cause instanceof Error && lines.length < MOST_CAUSES) {
    const code = systemCode(cause) ?? cause.name;
    lines.push(safeLine(`debug: because of ${code}: ${cause.message}`));
    ({ cause } = cause);
  }
  return lines;
}
